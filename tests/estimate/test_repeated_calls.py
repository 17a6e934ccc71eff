"""Evaluations in a solve that are copied, beside the same trace with every one of them carried out."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import pytest
import torch
import torchdiffeq
from torch import Tensor, nn
from torch.nn import functional

from segbench.estimate import step
from segbench.estimate.kept_values import hides_nothing
from segbench.estimate.repeated_calls import RepeatedCalls
from segbench.estimate.step import Traced, trace_step
from tests.estimate.test_step import Work

pytestmark = pytest.mark.usefixtures("known")
EVALUATIONS = 20
"""Of dopri5 in three steps."""


class Field(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.wide, self.narrow = nn.Conv2d(8, 24, 3, padding=1), nn.Conv2d(24, 8, 1)
        self.carried_out = count()  # a number would be seen to change

    def forward(self, time: Tensor, state: Tensor) -> Tensor:
        next(self.carried_out)
        return self.narrow(functional.softplus(self.wide(state))) * time  # type: ignore[no-any-return]


class Branching(Field):
    """Does more beyond the middle of the way."""

    def forward(self, time: Tensor, state: Tensor) -> Tensor:
        return super().forward(time, super().forward(time, state) if time > 0.5 else state)


class Remembering(Field):
    """Keeps what it gave, as a regulariser may."""

    def __init__(self) -> None:
        super().__init__()
        self.given: list[Tensor] = []

    def forward(self, time: Tensor, state: Tensor) -> Tensor:
        self.given.append(super().forward(time, state))
        return self.given[-1]


class RememberingAView(Remembering):
    def forward(self, time: Tensor, state: Tensor) -> Tensor:
        found = Field.forward(self, time, state)
        self.given.append(found.detach()[:1])
        return found


class RememberingTheState(Remembering):
    def forward(self, time: Tensor, state: Tensor) -> Tensor:
        self.given.append(state)
        return Field.forward(self, time, state)


class Widening(Field):
    """Reads ever more channels, as a mask tells."""

    def forward(self, time: Tensor, state: Tensor) -> Tensor:
        read = torch.arange(8, device=state.device) <= 8 * time
        return super().forward(time, state) + state[:, read].sum(1, keepdim=True)


class Asking(Field):
    """Chooses by unknown values."""

    def forward(self, time: Tensor, state: Tensor) -> Tensor:
        return super().forward(time, state) * state[state > 0].mean()


class Lazy(Field):
    """Makes what it needs at its first call."""

    def __init__(self) -> None:
        super().__init__()
        self.map: Tensor | None = None

    def forward(self, time: Tensor, state: Tensor) -> Tensor:
        if self.map is None:
            self.map = torch.ones_like(state[:, :1]).detach()
        return super().forward(time, state * self.map)


class Unchanged(Field):
    """Gives what it was given."""

    def forward(self, time: Tensor, state: Tensor) -> Tensor:
        super().forward(time, state)
        return state.view_as(state)


CARRIED_OUT = [Branching, Remembering, RememberingAView, RememberingTheState, Widening, Asking, Unchanged]
"""What may do something else at another call."""


class Solving(nn.Module):
    def __init__(self, field: Callable[[], Field], adjoint: bool = True) -> None:
        super().__init__()
        self.stem, self.field, self.head = nn.Conv2d(3, 8, 1), field(), nn.Conv2d(8, 3, 1)
        self.solve = torchdiffeq.odeint_adjoint if adjoint else torchdiffeq.odeint

    def forward(self, images: Tensor) -> Tensor:
        times = torch.tensor([0.0, 1.0], device=images.device)
        return self.head(self.solve(self.field, self.stem(images), times, method="dopri5")[-1])  # type: ignore[no-any-return]


def traced(
    field: Callable[[], Field], mode: str, adjoint: bool = True, batch: int = 2, target: str = "cuda"
) -> tuple[Traced, int]:
    """The trace, and how many evaluations of the first solve were carried out."""
    built: list[Solving] = []

    def build() -> Work:
        built.append(Solving(field, adjoint))
        return Work(built[0], "meta")

    found = trace_step(build, mode, batch, target=target)  # type: ignore[arg-type]
    return found, next(built[0].field.carried_out)


@pytest.mark.parametrize("target", ["cuda", "cpu"])
@pytest.mark.parametrize("mode", ["train", "infer"])
@pytest.mark.parametrize("field", [Field, *CARRIED_OUT, Lazy])
def test_a_log_is_the_same_whether_evaluations_are_copied_or_carried_out(
    field: type[Field], mode: str, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied, _ = traced(field, mode, target=target)
    monkeypatch.setattr(RepeatedCalls, "of", lambda _, function: function)
    whole, _ = traced(field, mode, target=target)
    assert copied.log == whole.log
    assert (copied.assumptions, copied.warnings) == (whole.assumptions, whole.warnings)


def test_most_evaluations_are_copied() -> None:
    """Of each sort of call two: within a step, at its beginning and at its end."""
    assert traced(Field, "infer")[1] == 2 * 3 < EVALUATIONS


@pytest.mark.parametrize("field", CARRIED_OUT)
def test_what_may_do_something_else_is_carried_out(field: type[Field]) -> None:
    assert traced(field, "infer")[1] >= EVALUATIONS


def test_evaluations_of_code_that_is_not_known_are_carried_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step, "hides_nothing", hides_nothing)
    assert traced(Field, "infer")[1] >= EVALUATIONS


def test_evaluations_with_a_graph_are_carried_out() -> None:
    assert traced(Field, "train", adjoint=False)[1] >= EVALUATIONS
