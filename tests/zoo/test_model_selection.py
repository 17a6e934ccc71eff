from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from segbench.adaptive.decisions import Everything, Replayed
from segbench.adaptive.inference import infer
from segbench.adaptive.run import costs_vary
from segbench.cards.model import find_model
from segbench.errors import UserError
from segbench.layers.pixel_loss import PixelLoss
from segbench.meters.operations import count_operations
from segbench.zoo import Moment
from segbench.zoo.model_selection import ModelSelection, Span, scores_of, spans

NARROW = {"widths": [4, 8, 16, 32], "stem": 8, "stage1_width": 8, "modules": [1, 1, 1], "blocks": 1}


class Averages(nn.Module):
    """Class scores that are averages of 4x4 pixels, times a factor: they know no context."""

    def __init__(self, classes: int, factor: float) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))
        self.classes, self.met = classes, list[tuple[int, ...]]()

    def encode(self, images: Tensor) -> Tensor:
        self.met.append(tuple(images.shape))
        return functional.avg_pool2d(images[:, : self.classes], 4, ceil_mode=True, count_include_pad=False)

    def decode(self, state: Tensor, size: tuple[int, int]) -> Tensor:
        return self.factor * functional.interpolate(state, size=size, mode="bilinear")


def selection(**arguments: Any) -> ModelSelection:
    here = f"{__name__}:Averages"
    fixed = {"fast": here, "fast_arguments": {"factor": 1.0}, "accurate": here, "accurate_arguments": {"factor": 3.0}}
    return ModelSelection(3, **{**fixed, "grid": (2, 3), "context": 8, **arguments}).eval()


@pytest.fixture
def images() -> Tensor:
    return torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(1))


def test_regions_cover_the_side_and_crops_stay_inside() -> None:
    assert spans(10, 3, 1) == [Span(0, 3, 0, 6), Span(3, 6, 2, 6), Span(6, 10, 4, 6)]
    assert spans(8, 2, 9) == [Span(0, 4, 0, 8), Span(4, 8, 0, 8)], "no crop is larger than the image"


def test_only_chosen_regions_are_answered_anew(images: Tensor) -> None:
    network = selection()
    chosen = torch.tensor([[True, False, False], [False, False, True]])
    decisions = [(chosen,), (torch.zeros(2, 3, dtype=torch.bool),)]
    found = infer(network, images, Replayed("by hand", decisions))
    fast = scores_of(network.fast, images, (16, 24))
    factors = torch.ones(16, 24)
    factors[:8, :8], factors[8:, 16:] = 3, 3
    assert torch.allclose(found.scores[0], fast[0] * factors, atol=1e-6)
    assert torch.equal(found.scores[1], fast[1])
    assert found.stages == (2, 1)
    assert network.accurate.met == [(2, 3, 48, 48)], "one batch of 8 + 2 * 2 scores a side"


def test_where_all_regions_go_on_the_accurate_network_sees_the_image_once(images: Tensor) -> None:
    network, dense = selection(), scores_of(selection().accurate, images, (16, 24))
    assert torch.equal(infer(network, images, Everything()).scores, dense)
    assert network.accurate.met == [(2, 3, 64, 96)]


def test_crops_of_a_network_that_knows_no_context_are_its_answer(images: Tensor) -> None:
    network, dense = selection(), scores_of(selection().accurate, images, (16, 24))
    all_but_one = torch.ones(2, 3, dtype=torch.bool)
    all_but_one[0, 0] = False
    every = torch.ones_like(all_but_one)
    found = infer(network, images, Replayed("by hand", [(all_but_one,), (every,)])).scores
    assert torch.allclose(found[0, :, :, 8:], dense[0, :, :, 8:], atol=1e-6)
    assert torch.equal(found[1], dense[1])
    assert network.accurate.met == [(1, 3, 64, 96), (5, 3, 48, 48)]


@pytest.mark.parametrize(("regions", "less"), [(4, True), (5, False)])
def test_the_small_card_is_cheaper_than_its_accurate_network_up_to_four_regions(regions: int, less: bool) -> None:
    network = ModelSelection(11, **find_model("model-selection-small").card.arguments).eval()
    image, chosen = torch.zeros(1, 3, 180, 240), (torch.arange(16) < regions).view(4, 4)
    adaptive = count_operations(network, lambda: infer(network, image, Replayed("by hand", [(chosen,)])))
    accurate = count_operations(network, lambda: scores_of(network.accurate, image, (45, 60)))
    assert (adaptive.total_macs < accurate.total_macs) is less


def test_a_grid_of_one_cell_selects_a_network_for_the_image(images: Tensor) -> None:
    network = ModelSelection(3, fast_arguments=NARROW, accurate_arguments=NARROW, grid=(1, 1)).eval()
    assert torch.equal(infer(network, images, Everything()).scores, scores_of(network.accurate, images, (16, 24)))
    assert torch.equal(infer(network, images, Everything(1)).scores, scores_of(network.fast, images, (16, 24)))


def test_by_default_the_entropy_decides() -> None:
    network, image = selection(fast_arguments={"factor": 100.0}), torch.zeros(1, 3, 64, 96)
    image[:, 0, :, :32] = 1
    assert costs_vary(network)
    network(image)
    assert network.accurate.met == [(4, 3, 48, 48)], "only where no class leads"


def test_images_of_any_size_are_answered(images: Tensor) -> None:
    assert selection()(images[:, :, :45, :67]).shape == (2, 3, 45, 67)


def test_both_networks_learn(images: Tensor) -> None:
    network, targets = selection().train(), torch.zeros(2, 32, 48, dtype=torch.uint8)
    loss = PixelLoss()
    total = network.supervise(images, targets, loss, Moment(0.5, 0.5))
    alone = [loss.total(scores_of(part, images, (32, 48)), targets) for part in (network.fast, network.accurate)]
    assert torch.allclose(total, alone[0] + alone[1])
    total.backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"fast": "segbench.zoo.hrnet:Nothing"}, "no network"),
        ({"accurate": "torch.nn:Identity"}, "encode and decode"),
        ({"grid": (0, 4)}, "from 1"),
        ({"grid": [4]}, r"grid is \[4\]; give its rows and columns"),
        ({"grid": 3}, "grid is 3; give its rows and columns"),
        ({"context": -1}, "context is -1 px"),
    ],
)
def test_what_cannot_be_built_is_refused(arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        selection(**arguments)


def test_images_smaller_than_the_grid_are_refused(images: Tensor) -> None:
    with pytest.raises(UserError, match="a smaller grid"):
        selection()(images[:, :, :32, :8])
