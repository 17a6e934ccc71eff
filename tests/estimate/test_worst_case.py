"""Networks whose shapes depend on data: exact where the worst case is what happens, an upper bound elsewhere."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from segbench.errors import UserError
from tests.estimate.test_step import CLASSES, SIZE, births, real_peak, traced

Habit = Callable[[Tensor], Tensor]


class With(nn.Module):
    """A convolution, a habit, a convolution."""

    def __init__(self, habit: Habit) -> None:
        super().__init__()
        self.stem, self.head = nn.Conv2d(3, 16, 3, padding=1), nn.Conv2d(16, CLASSES, 1)
        self.habit = habit

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.habit(self.stem(images)))  # type: ignore[no-any-return]


def mask_everywhere(features: Tensor) -> Tensor:
    chosen = features[features > -1e9]
    return features + chosen.exp().mean()


def mask_half(features: Tensor) -> Tensor:
    chosen = features[features > 0]
    return features + chosen.exp().mean()


def select(features: Tensor) -> Tensor:
    return features + features.masked_select(features > -1e9).mean()


def rows(features: Tensor) -> Tensor:
    """Every pixel's features, gathered by a mask of pixels."""
    pixels = features.permute(0, 2, 3, 1)
    return features + pixels[pixels.mean(3) > -1e9].mean()


def places(features: Tensor) -> Tensor:
    where = torch.nonzero(features[:, 0] > -1e9)
    return features + features[where[:, 0], :, where[:, 1], where[:, 2]].mean()


def hardest(features: Tensor) -> Tensor:
    """OHEM: the mean of the hardest half of what a mask leaves."""
    valid = features.detach() > -1e9
    losses = features[valid].sort(descending=True)[0]
    return features + losses[: losses.numel() // 2].mean()


def distinct(features: Tensor) -> Tensor:
    values, counts = torch.unique(features.detach(), return_counts=True)
    return features + values.mean() + counts.float().mean()


def assigned(features: Tensor) -> Tensor:
    changed = features.clone()
    changed[features > 0] = 0.0
    return features + changed


def top(features: Tensor) -> Tensor:
    values, _ = features.flatten(2).topk(10, dim=2)
    return features + values.mean(2)[:, :, None, None]


def permuted(features: Tensor) -> Tensor:
    return features[:, torch.arange(15, -1, -1, device=features.device)]


def sorted_channels(features: Tensor) -> Tensor:
    return features.sort(1)[0]


def gathered(features: Tensor) -> Tensor:
    order = features.detach().argsort(1)
    return features.gather(1, order)


def best(features: Tensor) -> Tensor:
    return features - features.max(1, keepdim=True)[0]


def flags(features: Tensor) -> Tensor:
    """A narrower copy of a large tensor: 12 KiB of flags of 49 KiB of numbers."""
    return features * torch.ones_like(features[:, :1], dtype=torch.bool)


BY_DATA = [mask_everywhere, select, rows, places, hardest, assigned]
SCATTERED = [top, permuted, sorted_channels, gathered, best]
"""Their gradients are scattered in place into zeros, but out of place under any dispatch mode."""
EXACT = [*BY_DATA, *SCATTERED, flags]


@pytest.mark.parametrize("mode", ["train", "infer"])
@pytest.mark.parametrize("habit", EXACT, ids=lambda habit: habit.__name__)
def test_predicted_live_bytes_equal_a_real_run_in_the_worst_case(habit: Habit, mode: str) -> None:
    def build() -> nn.Module:
        return With(habit)

    assert traced(build, mode, batch=8, target="cpu").log.peak[1] == pytest.approx(real_peak(build, mode, 8), rel=1e-3)


@pytest.mark.parametrize("habit", [mask_half, distinct], ids=lambda habit: habit.__name__)
def test_what_a_mask_leaves_out_makes_the_prediction_an_upper_bound(habit: Habit) -> None:
    def build() -> nn.Module:
        return With(habit)

    real = real_peak(build, "train", 8)
    assert real <= traced(build, "train", batch=8, target="cpu").log.peak[1] < 1.5 * real


def test_the_worst_case_is_said_with_the_line_that_wanted_it() -> None:
    found = traced(lambda: With(mask_everywhere))
    assert list(found.assumptions) == [
        f"test_worst_case.py:{mask_everywhere.__code__.co_firstlineno + 1} took every element that a mask could choose"
    ]


def test_a_histogram_takes_its_least_length() -> None:
    def counted(features: Tensor) -> Tensor:
        labels = features.argmax(1).flatten()
        return features + torch.bincount(labels, minlength=19).float().mean()

    assert "bincount" in next(iter(traced(lambda: With(counted)).assumptions))


def test_known_masks_are_not_worst_cases() -> None:
    def first_half(features: Tensor) -> Tensor:
        keep = torch.arange(16, device=features.device) < 8
        return torch.cat([features[:, keep], features[:, :8]], 1)

    assert traced(lambda: With(first_half)).assumptions == {}


def test_tensors_of_unknown_values_are_taken_for_equal() -> None:
    def unlike(features: Tensor) -> Tensor:
        return features if torch.equal(features, features + 1) else features[0, 0, 0, 0] * features

    assert next(iter(traced(lambda: With(unlike)).assumptions)).endswith("took True")


@torch.library.custom_op("segbench_test::opaque", mutates_args=())
def opaque(x: Tensor) -> Tensor:
    return x * 2


@torch.library.custom_op("segbench_test::declared", mutates_args=())
def declared(x: Tensor) -> Tensor:
    return x * 2


@declared.register_fake
def _(x: Tensor) -> Tensor:
    return torch.empty_like(x)


def test_an_operator_without_a_rule_for_shapes_is_refused_with_what_to_do() -> None:
    with pytest.raises(UserError, match=r'torch.library.register_fake\("segbench_test::opaque"\)'):
        traced(lambda: With(lambda features: features + opaque(features.detach())))


def test_an_operator_with_a_registered_rule_is_predicted() -> None:
    def build() -> nn.Module:
        return With(lambda features: functional.relu(features + declared(features.detach())))

    assert traced(build, target="cpu").log.peak[1] == pytest.approx(real_peak(build, "train", 2), rel=1e-3)


def test_on_cuda_a_mask_is_turned_into_a_list_of_places_for_a_moment() -> None:
    made = births(traced(lambda: With(mask_everywhere), "infer").log)
    pixels = 2 * SIZE[0] * SIZE[1]
    assert (4 * 16 * pixels * 8, "temporaries") in {(item.bytes, item.role) for item in made}, "four int64 an element"
