"""What older releases kept, by hand: the same network under several releases."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import AdamW

from segbench.errors import UserError
from segbench.estimate.older_torch import HABITS, TODAY, release_of
from segbench.estimate.step import Traced, trace_step
from tests.estimate.test_attention import Attends
from tests.estimate.test_step import CLASSES, SIZE, Work

MAP = 2 * 16 * SIZE[0] * SIZE[1] * 4
"""Bytes of a map of 16 channels for two images."""


class Through(nn.Module):
    """A function whose input and result nobody else keeps: the layers around it have no weights to learn."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.stem, self.function = nn.Conv2d(3, 16, 1), function
        self.norm, self.head = nn.BatchNorm2d(16), nn.Conv2d(16, CLASSES, 1)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.function(self.norm(self.stem(images))))  # type: ignore[no-any-return]


def under(release: str | None, build: Callable[[], nn.Module], mode: str = "train") -> Traced:
    return trace_step(lambda: Work(build(), "meta"), mode, 2, release=release_of(release))


def kept(found: Traced) -> int:
    """Bytes of activations where the backward pass of the second step begins."""
    start = next(mark.position for mark in found.log.marks if mark.step == 2 and mark.phase == "backward")
    return found.log.breakdown(start - 1)["activations"]


SOFTMAXES: list[Callable[[Tensor], Tensor]] = [
    lambda x: functional.softmax(x, 1),
    lambda x: functional.log_softmax(x, dim=1),
    lambda x: torch.softmax(x, 1),
    lambda x: x.softmax(1),
    lambda x: functional.softmax(input=x, dim=1),
    nn.Softmax(dim=1),
]


@pytest.mark.parametrize("softmax", SOFTMAXES)
def test_softmax_kept_its_input_before_1_11(softmax: Callable[[Tensor], Tensor]) -> None:
    def build() -> nn.Module:
        return Through(softmax)

    scores = 2 * CLASSES * SIZE[0] * SIZE[1] * 4  # of the loss, whose log-softmax kept them as well
    assert kept(under("1.10", build)) - kept(under("1.11", build)) == MAP + scores
    assert kept(under("1.11", build)) == kept(under(None, build))


@pytest.mark.parametrize("relu", [functional.relu, nn.ReLU(), torch.relu, lambda x: x.relu()])
def test_relu_kept_its_input_before_1_10(relu: Callable[[Tensor], Tensor]) -> None:
    def build() -> nn.Module:
        return Through(relu)

    assert kept(under("1.9", build)) - kept(under("1.10", build)) == MAP


def test_relu_in_place_kept_nothing_more() -> None:
    def build() -> nn.Module:
        return Through(nn.ReLU(inplace=True))

    assert kept(under("1.9", build)) == kept(under("1.10", build))


@pytest.mark.parametrize("bounded", [nn.ReLU6(inplace=True), lambda x: functional.hardtanh(x, inplace=True)])
def test_relu6_in_place_has_kept_a_copy_of_its_input_since_1_10(bounded: Callable[[Tensor], Tensor]) -> None:
    def build() -> nn.Module:
        return Through(bounded)

    assert kept(under("1.10", build)) - kept(under("1.9", build)) == MAP


@pytest.mark.parametrize(("in_place", "more"), [(False, 2), (True, 1)])
def test_hardswish_was_written_out_before_1_7(in_place: bool, more: int) -> None:
    """Kept were the input and the bounded sum, and the sum too where it was not bounded in place."""

    def build() -> nn.Module:
        return Through(nn.Hardswish(inplace=in_place))

    assert kept(under("1.6", build)) - kept(under("1.7", build)) == more * MAP


def test_binary_cross_entropy_had_three_maps_more_beside_its_losses_before_2_3() -> None:
    def build() -> nn.Module:
        return Through(lambda x: functional.binary_cross_entropy_with_logits(x, x, reduction="none"))

    peaks = [under(release, build, "infer").log.peak[1] for release in ("2.2", "2.3")]
    assert peaks[0] - peaks[1] == 3 * MAP


def test_inference_keeps_no_inputs_under_any_release() -> None:
    peaks = {under(release, lambda: Through(functional.relu), "infer").log.peak[1] for release in ("1.5", None)}
    assert len(peaks) == 1


def test_gradients_stayed_between_steps_before_2_0() -> None:
    def at_the_start(release: str | None) -> int:
        log = under(release, lambda: Through(functional.relu)).log
        forward_ends = next(mark.position for mark in log.marks if mark.step == 3 and mark.phase == "backward")
        return log.breakdown(forward_ends - 1)["gradients"]

    weights = sum(item.numel() * 4 for item in Through(functional.relu).parameters())
    assert at_the_start("1.13") == weights
    assert at_the_start("2.0") == at_the_start(None) == 0


def test_optimizers_went_from_parameter_to_parameter_before_2_0() -> None:
    def operators(release: str | None) -> set[str]:
        work = lambda: Work(Through(functional.relu), "meta", lambda parameters: AdamW(parameters))  # noqa: E731
        found = trace_step(work, "train", 2, release=release_of(release))
        return {storage.operator for storage in found.log.storages}

    assert not any("foreach" in name for name in operators("1.13"))
    assert any("foreach" in name for name in operators("2.0"))


def test_attention_was_its_formula_before_2_0() -> None:
    assert under("1.13", Attends).attention == {"math: float32, heads of 8": 4}, "two steps: gradients are kept"
    assert under("2.0", Attends).attention == {"efficient: float32, heads of 8": 2}


@pytest.mark.parametrize(("release", "handles"), [("1.13", 0), ("2.0", 2), (None, 2)])
def test_cublas_has_had_its_workspaces_in_the_caching_allocator_since_2_0(release: str | None, handles: int) -> None:
    """8519680 bytes a handle (pytorch/pytorch#95668); the backward pass has a handle of its own."""
    held = under(release, Attends).log.breakdown()["workspaces"]
    assert held == handles * 8519680


def test_every_habit_ended_with_a_release_and_has_a_source() -> None:
    assert all((1, 5) < habit.before <= (2, 3) and habit.source for habit in HABITS)


def test_releases_are_read_from_text() -> None:
    assert release_of("1.8") == release_of("1.8.1+cu111") == (1, 8)
    assert release_of(None) == TODAY > (99, 0)


@pytest.mark.parametrize("text", ["8", "old", "1.x", ""])
def test_what_is_no_release_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"such as 1\.8"):
        release_of(text)
