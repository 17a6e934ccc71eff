"""The contract of every card in the catalogue: its network builds, and does what a segmentation network does."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from segbench.cards.card import ModelCard
from segbench.cards.catalogue import card_names, model_sets
from segbench.cards.model import find_model
from segbench.layers.pixel_loss import PixelLoss
from segbench.records.quantities import QUANTITIES
from segbench.workload.network import build_from_card
from segbench.zoo import HasTrajectory, Moment, SupervisesItself

CARDS = card_names()
CLASSES = 5

PARAMETERS = {
    "adp-c": 66_052_982,
    "adp-c-small": 654_777,
    "baseline": 70_955_004,
    "baseline-ocr": 75_984_726,
    "baseline-ocr-w8": 1_225_062,
    "baseline-w8": 1_147_012,
    "deeplabv3": 58_628_427,
    "dynamic-routing": 17_780_352,
    "dynamic-routing-small": 525_512,
    "hrnetv2": 65_853_611,
    "hrnetv2-ocr": 70_362_806,
    "hrnetv2-ocr-small": 713_302,
    "hrnetv2-points-small": 2_617_819,
    "hrnetv2-small": 649_979,
    "hrnetv2-w18": 9_638_951,
    "layer-cascade": 50_767_713,
    "layer-cascade-small": 103_457,
    "level-set-node": 31_085_274,
    "level-set-node-small": 500_930,
    "mess": 66_019_340,
    "mess-small": 659_948,
    "model-selection": 68_099_674,
    "model-selection-small": 814_382,
    "nodes-unet": 62_517_067,
    "nodes-unet-32": 15_650_731,
    "nodes-unet-small": 986_227,
    "nrd": 45_847_002,
    "nrd-small": 1_032_330,
    "pspnet": 23_699_787,
    "pspnet-50": 46_587_467,
    "segblocks": 12_012_232,
    "segblocks-small": 324_898,
    "segnode": 20_948_124,
    "segnode-gain-w8": 311_349,
    "segnode-low-memory": 20_948_124,
    "segnode-ocr": 25_977_846,
    "segnode-ocr-w8": 386_934,
    "segnode-paper": 20_948_124,
    "segnode-w8": 308_884,
    "segnode-points": 21_127_243,
    "segnode-points-slim": 1_261_227,
    "segnode-points-small": 1_268_459,
    "segnode-synthetic": 308_884,
    "unet": 31_038_283,
    "unet-w8": 486_643,
    "unode": 18_693_323,
    "unode-16": 2_087_499,
    "unode-small": 525_803,
    "uresnet": 2_074_251,
}
"""At 11 classes."""


NARROW_HRNET = {"widths": [4, 8, 16, 32], "modules": [1, 1, 1], "stem": 8, "stage1_width": 8}


def card(name: str) -> ModelCard:
    return find_model(name).card


def narrowed(name: str) -> ModelCard:
    """The card with widths cut down and tolerances loosened: the same layers in the same order, fast on a laptop."""
    arguments: dict[str, Any] = dict(card(name).arguments)
    if "ocr_width" in arguments:
        arguments["ocr_width"] = 8
    if "coarse_arguments" in arguments:
        coarse = dict(arguments["coarse_arguments"])
        narrow = {"width": 4} if "width" in coarse else {"widths": [4, 8, 16, 32], "stem": 8}
        arguments["coarse_arguments"] = coarse | narrow
    if "fast_arguments" in arguments:
        arguments["fast_arguments"] = arguments["accurate_arguments"] = NARROW_HRNET
    if "widths" in arguments:
        arguments |= {"widths": [4, 8, 16, 32], "stem": 8}
    elif "width" in arguments:
        arguments["width"] = 4
    elif "depth" in arguments:
        arguments["depth"] = 18
    if "block" in arguments:
        arguments["block"] = 64
    if "rtol" in arguments:
        arguments |= {"rtol": 0.1, "atol": 0.1}
    return card(name).model_copy(update={"arguments": arguments})


def built(name: str, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return build_from_card(narrowed(name), CLASSES)


def images(height: int = 64, width: int = 80, batch: int = 1) -> Tensor:
    return torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(7))


def answers(output: Any) -> list[Tensor]:
    """In training a network may give auxiliary logits too."""
    return list(output.values()) if isinstance(output, dict) else [output]


def parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


@pytest.mark.parametrize("name", CARDS)
def test_the_parameters_at_11_classes_are_exact(name: str) -> None:
    with torch.device("meta"):
        assert parameters(build_from_card(card(name), 11)) == PARAMETERS[name]


@pytest.mark.parametrize("name", CARDS)
def test_published_parameters_agree_to_the_digits_printed(name: str) -> None:
    for reference in card(name).reference:
        if reference.quantity == "parameters":
            assert PARAMETERS[name] / 1e6 == pytest.approx(reference.value, abs=0.1)


@pytest.mark.parametrize("name", CARDS)
@pytest.mark.parametrize("size", [(64, 80), (67, 75)])
def test_logits_have_the_size_of_the_image(name: str, size: tuple[int, int]) -> None:
    with torch.no_grad():
        logits = built(name).eval()(images(*size))
    assert logits.shape == (1, CLASSES, *size)
    assert logits.dtype == torch.float32
    assert torch.isfinite(logits).all()


@pytest.mark.parametrize("name", CARDS)
def test_the_seed_decides_the_weights(name: str) -> None:
    one, same, other = built(name).state_dict(), built(name).state_dict(), built(name, seed=1).state_dict()
    assert all(torch.equal(one[key], same[key]) for key in one)
    assert not all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("name", CARDS)
def test_a_single_image_trains_every_weight(name: str) -> None:
    network = built(name).train()
    loss = sum(logits.square().mean() for logits in answers(network(images())))
    if isinstance(network, SupervisesItself):
        labels = torch.zeros(1, 48, 64, dtype=torch.uint8)
        loss = loss + network.supervise(images(), labels, PixelLoss(), Moment(0.5, 0.5))
    loss.backward()  # type: ignore[union-attr]
    unused = ".sharpness"  # of interpolation, where nothing is skipped
    idle = [key for key, weight in network.named_parameters() if weight.grad is None and not key.endswith(unused)]
    assert idle == []
    assert all(torch.isfinite(weight.grad).all() for weight in network.parameters() if weight.grad is not None)


@pytest.mark.parametrize("name", CARDS)
def test_evaluation_answers_each_image_for_itself(name: str) -> None:
    network, batch = built(name).eval(), images(batch=2)
    if _solver(network) == "adaptive":
        pytest.skip("an adaptive solver's steps depend on the whole batch")
    with torch.no_grad():
        together, alone = network(batch), network(batch[1:])
    assert torch.allclose(together[1:], alone, atol=1e-4)


@pytest.mark.parametrize("name", CARDS)
def test_a_trajectory_ends_where_the_network_answers(name: str) -> None:
    network = built(name).eval()
    if not isinstance(network, HasTrajectory):
        pytest.skip("no trajectory")
    with torch.no_grad():
        start, end = network.trajectory(images(), [0.0, network.t_end])
        assert torch.allclose(end, network(images()), atol=1e-5)
    assert start.shape == end.shape
    assert not torch.allclose(start, end)


@pytest.mark.parametrize(
    "name",
    [
        "segnode",
        "segnode-low-memory",
        "segnode-ocr",
        "hrnetv2",
        "hrnetv2-ocr",
        "baseline",
        "unet",
        "pspnet",
        "deeplabv3",
    ],
)
def test_a_full_sized_network_runs_on_the_papers_input_without_memory(name: str) -> None:
    with torch.device("meta"), torch.no_grad():
        network = build_from_card(card(name), 11).eval()
        assert network(torch.empty(24, 3, 360, 480)).shape == (24, 11, 360, 480)


def test_table_2_is_published_whole() -> None:
    families = ["parameters", "train_peak_memory", "infer_peak_memory", "max_batch", "epoch_time", "latency"]
    for name in (*model_sets()["table2"], "segnode-paper"):
        published = [item.quantity for item in card(name).reference if item.source == "SegNode paper, Table 2"]
        assert published == families, name


def test_table_1_is_published_whole() -> None:
    for name in (*model_sets()["table1"], "segnode-paper"):
        published = [item.dataset for item in card(name).reference if item.source == "SegNode paper, Table 1"]
        assert published == ["cityscapes", "camvid", "lip", "pascal-context"], name


def test_published_numbers_are_found_for_what_is_measured() -> None:
    found = {
        quantity: card("segnode").references_for(quantity)[0].value
        for quantity in QUANTITIES
        if card("segnode").references_for(quantity)
    }
    assert found["train_peak_reserved_bytes"] == 13.4
    assert found["infer_peak_process_bytes"] == 0.7
    assert (found["max_batch"], found["epoch_s"], found["latency_s"], found["miou"]) == (62, 34, 117, 81.8)


@pytest.mark.parametrize("name", ["segnode-paper", "pspnet", "baseline", "segnode-ocr", "nodes-unet", "level-set-node"])
def test_readings_of_ours_say_so(name: str) -> None:
    assert "our" in card(name).note or "unidentified" in card(name).note


def _solver(network: nn.Module) -> str:
    kinds = {getattr(module, "solver", None) for module in network.modules()}
    return "adaptive" if "dopri5" in kinds else "fixed"
