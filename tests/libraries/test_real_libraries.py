"""Networks of the installed libraries: what the fakes of `test_adapters.py` stand for."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor

from segbench.cards.catalogue import model_sets
from segbench.cards.model import find_model
from segbench.errors import UserError
from segbench.libraries.mask_classification import matched_in_order
from segbench.libraries.traits import own_loss, traits_of
from segbench.meters.live_bytes import measure_live_peaks
from segbench.records.case import Case
from segbench.tasks.predict import workload_on_meta
from segbench.workload.network import build_from_card
from segbench.workload.outputs import OutputReader
from segbench.workload.step import build_workload

pytestmark = pytest.mark.libraries

TINY_SWIN = {"model_type": "swin", "embed_dim": 8, "depths": [1, 1, 1, 1], "num_heads": [1, 1, 1, 1], "window_size": 4}
TINY_SWIN |= {"out_features": ["stage1", "stage2", "stage3", "stage4"]}
TINY: dict[str, Any] = {"num_queries": 12, "hidden_dim": 32, "mask_feature_size": 32, "feature_size": 32}
TINY |= {"encoder_feedforward_dim": 32, "dim_feedforward": 32, "num_attention_heads": 2, "train_num_points": 64}
TINY |= {"encoder_layers": 1, "decoder_layers": 2, "backbone_config": TINY_SWIN}


def built(text: str, size: tuple[int, int] = (64, 96), classes: int = 5, **arguments: Any) -> Any:
    return build_from_card(find_model(text).card, classes, arguments, size)


@pytest.mark.parametrize("name", model_sets()["common"])
def test_a_network_people_compare_answers_with_its_classes(name: str) -> None:
    workload = workload_on_meta(Case("predict", name, classes=5, width=64, height=64, device="none"))
    assert workload.infer(workload.make_batch(1)[0]).shape == (1, 5, 64, 64)


@pytest.mark.parametrize("name", ["Beit", "Data2VecVision", "DPT"])
def test_networks_of_square_images_are_built_for_the_padded_ones(name: str) -> None:
    sizes = {"num_hidden_layers": 4, "hidden_size": 24, "num_attention_heads": 2, "intermediate_size": 24}
    places = {"backbone_out_indices": [0, 1, 2, 3]} if name == "DPT" else {"out_indices": [1, 2, 3, 4]}
    network = built(f"transformers:{name}ForSemanticSegmentation", (60, 90), **sizes, **places)
    assert traits_of(network).padded((60, 90)) == (96, 96)
    assert OutputReader(classes=5).logits(network.eval()(torch.zeros(1, 3, 96, 96)), (96, 96)).shape == (1, 5, 96, 96)


def test_sizes_are_refused_before_the_library_does() -> None:
    with pytest.raises(UserError, match="96x64"):
        build_workload(Case("memory", "smp:FPN?encoder_name=resnet18", width=90, height=64), "cpu")


def test_the_library_adds_up_the_losses_of_both_heads_of_upernet() -> None:
    network = built("transformers:UperNetForSemanticSegmentation", hidden_size=16, auxiliary_channels=8)
    loss = own_loss(network)
    assert loss is not None and "weighted 0.4" in str(traits_of(network).loss)
    loss(torch.rand(2, 3, 64, 96), torch.zeros(2, 64, 96, dtype=torch.long)).backward()
    assert all(item.grad is not None for item in network.auxiliary_head.parameters())


def test_the_stand_in_for_the_matching_costs_as_many_bytes_as_the_hungarian_algorithm() -> None:
    """Of Mask2Former with every class in every image, as random labels have it."""
    torch.manual_seed(0)
    network = built("transformers:Mask2FormerForUniversalSegmentation", **TINY)
    images, labels = torch.rand(2, 3, 64, 96), torch.randint(0, 5, (2, 64, 96))
    matchings = iter([nullcontext(), nullcontext(), matched_in_order(network)])

    def step() -> None:
        network.zero_grad(set_to_none=True)
        with next(matchings):
            loss: Tensor = network.training_loss(images, labels)
        loss.backward()

    # in one session of the profiler, which gives blocks that were freed between two of them wrong sizes
    _, hungarian, standing_in = measure_live_peaks(network, step, 3)
    assert standing_in.live == hungarian.live
