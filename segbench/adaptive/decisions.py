"""Decisions of an adaptive inference: recorded, and made again, for the same image or for another.

With them every control is an ordinary inference: a fixed exit, an oracle's choice, one image's decisions made for
another (the permutation control), the same share at random.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from segbench.adaptive.policies import Policy, Seen
from segbench.adaptive.run import Run

Decisions = tuple[Tensor, ...]
"""Of one image: what went on after stage 1, 2, ...; nothing for stages it did not reach. Bool, of the unit's shape."""


@dataclass
class Recorder:
    """Writes down what is decided.

    Args:
        count: images in the batch.
    """

    count: int
    made: list[list[Tensor]] = field(init=False)

    def __post_init__(self) -> None:
        self.made = [[] for _ in range(self.count)]

    def __call__(self, run: Run, which: Tensor) -> None:
        """Sees a decision before it is carried out."""
        for image, own in zip(run.images.tolist(), which.cpu(), strict=True):
            self.made[image].append(own.clone())

    @property
    def decisions(self) -> list[Decisions]:
        """Of every image."""
        return [tuple(own) for own in self.made]


@dataclass(frozen=True)
class Replayed:
    """A policy that decides what was decided before.

    Attributes:
        name: of the control.
        decisions: of each image of the batch; where they end, the image does.
        compares: as the policy below.
        reads: a policy that is asked what it sees, so that deciding costs what it costs there; None reads nothing.
    """

    name: str
    decisions: Sequence[Decisions]
    compares: bool = False
    reads: Policy | None = None

    def see(self, run: Run) -> Seen:
        return self.reads.see(run) if self.reads else run.images

    def goes_on(self, run: Run, now: Seen, before: Seen | None) -> Tensor:  # noqa: ARG002
        rows = []
        for image in run.images.tolist():
            own = self.decisions[image]
            rows.append(own[run.stage - 1] if run.stage <= len(own) else torch.zeros_like(own[-1]))
        return torch.stack(rows).to(run.images.device)


@dataclass(frozen=True)
class Everything:
    """A policy by which all goes on until a stage, and nothing after it.

    Attributes:
        stages: after which all images end; None: never before the last.
    """

    stages: int | None = None
    compares: bool = False

    @property
    def name(self) -> str:
        return "all" if self.stages is None else f"stage={self.stages}"

    def see(self, run: Run) -> Seen:
        return run.images

    def goes_on(self, run: Run, now: Seen, before: Seen | None) -> Tensor:  # noqa: ARG002
        goes = self.stages is None or run.stage < self.stages
        return torch.full(run.shape, goes, device=run.images.device)
