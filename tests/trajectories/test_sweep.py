from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from segbench.data import Sample
from segbench.errors import UserError
from segbench.evaluation.protocol import Protocol
from segbench.trajectories.subject import Subject
from segbench.trajectories.sweep import InputPipeline, equal_sized, sweep_ends

PIPELINE = InputPipeline(Protocol(width=4, height=4), torch.device("cpu"), nullcontext)


class Images:
    """Two-class images whose truth is class 1 everywhere; one of another size at the end."""

    classes = 2

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int, /) -> Sample:
        side = 8 if index == 2 else 4
        return Sample(np.zeros((side, side, 3), np.uint8), np.ones((side, side), np.uint8), f"image {index}")


class Learning(nn.Module):
    """Sees class 1 in a share of the pixels that grows with the exit; diverges from `breaks` on."""

    t_end = 4.0

    def __init__(self, breaks: float = 99) -> None:
        super().__init__()
        self.breaks = breaks

    def trajectory(self, images: Tensor, times: Sequence[float]) -> list[Tensor]:
        return [self.at(images, time) for time in times]

    def at(self, images: Tensor, time: float) -> Tensor:
        logits = torch.zeros(len(images), 2, 4, 4)
        logits[:, 1, : int(time)] = 1.0
        logits[:, 0, int(time) :] = 1.0
        return logits * float("nan") if time >= self.breaks else logits


def test_scores_rise_with_the_exits_as_built_in() -> None:
    subject = Subject(Learning())
    found = sweep_ends(subject, Images(), subject.ends_at([1, 2, 3, 4]), [], PIPELINE, batch_size=2)
    assert found.names == ("image 0", "image 1", "image 2")
    right = found.matrices[:, :, 1, 1] / found.matrices.sum((2, 3))
    assert right[:, 0].tolist() == [0.25, 0.5, 0.75, 1.0]
    assert found.changed[:, 0].tolist() == [0.75, 0.5, 0.25, 0.0]
    assert found.matrices[0, 2].sum() == 64, "answers are enlarged to the label's size"


def test_a_state_that_is_not_finite_is_named_with_its_time_and_image() -> None:
    subject = Subject(Learning(breaks=3))
    with pytest.raises(UserError, match=r"not finite at t = 3 \(image image 0\)"):
        sweep_ends(subject, Images(), subject.ends_at([1, 2, 3, 4]), [], PIPELINE)


def test_batches_hold_neighbours_of_one_size() -> None:
    assert [[sample.name for sample in batch] for batch in equal_sized(Images(), 2)] == [
        ["image 0", "image 1"],
        ["image 2"],
    ]


def test_whoever_looks_on_sees_every_image_with_its_maps() -> None:
    subject, seen = Subject(Learning()), []
    sweep_ends(subject, Images(), subject.ends_at([2]), [], PIPELINE, observe=lambda *found: seen.append(found))
    assert [(number, maps.shape) for number, _, maps in seen] == [(0, (2, 4, 4)), (1, (2, 4, 4)), (2, (2, 8, 8))]
