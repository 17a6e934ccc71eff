"""Adaptive solves of a stated length against real ones that are forced to the same steps."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torchdiffeq
from torch import Tensor, nn
from torch.nn import functional

from segbench.errors import UserError
from segbench.estimate.assumed_steps import KNOWN_RELEASE, UNSTATED
from segbench.estimate.log import StorageLog
from segbench.estimate.step import Traced, trace_step
from segbench.meters.live_bytes import measure_live_peaks
from segbench.ode.block import ODEBlock

STEPS = 5
NFE = 2 + 6 * STEPS
"""Of dopri5: two evaluations before the first step and six a step."""


class Field(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, time: Tensor | float, state: Tensor) -> Tensor:
        return functional.softplus(self.conv(state)) * 0.1


class Net(nn.Module):
    """Options force real solves to `STEPS` accepted steps, as a prediction states them."""

    def __init__(self, adjoint: bool, forced: bool) -> None:
        super().__init__()
        self.stem, self.field, self.head = nn.Conv2d(3, 8, 1), Field(), nn.Conv2d(8, 3, 1)
        self.adjoint, self.forced = adjoint, forced

    def forward(self, images: Tensor) -> Tensor:
        state = self.stem(images)
        times = torch.tensor([0.0, 1.0], device=images.device)
        options: dict[str, Any] = {}
        if self.forced:
            options = {
                "norm": lambda error: (error[0] if isinstance(error, tuple) else error).abs().mean() * 0 + 0.9**5
            }
            options |= {"first_step": torch.tensor((1 + 1e-9) / STEPS)}
        solve = torchdiffeq.odeint_adjoint if self.adjoint else torchdiffeq.odeint
        more = {"adjoint_options": dict(options)} if self.adjoint else {}
        solution = solve(self.field, state, times, method="dopri5", options=options or None, **more)
        return self.head(solution[-1])  # type: ignore[no-any-return]


class Work:
    def __init__(self, network: nn.Module, device: str) -> None:
        self.network, self.device = network, device
        self.optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)

    def make_batch(self, count: int | None = None, /) -> tuple[Tensor, Tensor]:
        size = (count or 1, 20, 24)
        images = torch.randn(size[0], 3, *size[1:], device=self.device)
        return images, torch.randint(0, 3, size, device=self.device)

    def train_step(self, images: Tensor, labels: Tensor) -> None:
        self.network.zero_grad()
        functional.cross_entropy(self.network(images), labels).backward()
        self.optimizer.step()

    @torch.no_grad()
    def infer(self, images: Tensor) -> Tensor:
        return self.network(images)  # type: ignore[no-any-return]


def traced(build: Callable[[], nn.Module], mode: str = "train", nfe: int | None = NFE) -> Traced:
    return trace_step(lambda: Work(build(), "meta"), mode, 2, target="cpu", nfe=nfe)


@pytest.mark.parametrize("adjoint", [False, True])
def test_a_stated_solve_takes_the_memory_of_a_real_one_of_as_many_steps(adjoint: bool) -> None:
    work = Work(Net(adjoint, forced=True), "cpu")
    real = measure_live_peaks(work.network, lambda: work.train_step(*work.make_batch(2)), 2)[-1].live
    found = traced(lambda: Net(adjoint, forced=False)).log.peak[1]
    assert found == pytest.approx(real, rel=0.02), "one evaluation, for the first step, is not forced"


def evaluations(log: StorageLog) -> int:
    """Of `Field` in the first step."""
    start, end = log.step_window(1)
    made = (log.storages[event - 1].operator for event in log.events[start:end] if event > 0)
    return sum(operator == "aten.softplus" for operator in made)


def test_the_number_of_evaluations_is_what_was_stated() -> None:
    found = traced(lambda: Net(adjoint=False, forced=False), "infer")
    assert evaluations(found.log) == NFE
    assert not [sentence for sentence in found.warnings if "solver" in sentence]


def test_memory_grows_with_the_stated_number_unless_the_gradient_is_an_adjoint() -> None:
    def peak(adjoint: bool, nfe: int) -> int:
        return traced(lambda: Net(adjoint, forced=False), nfe=nfe).log.peak[1]

    five_steps_more = peak(False, 62) - peak(False, 32)
    assert five_steps_more > 0.5 * peak(False, 32)
    assert peak(False, 92) - peak(False, 62) == pytest.approx(five_steps_more, rel=0.01)
    assert peak(True, 62) == pytest.approx(peak(True, 32), rel=0.01)


class Nested(Net):
    """Its f solves an equation of its own, with a solver of another order."""

    def forward(self, images: Tensor) -> Tensor:
        times = torch.tensor([0.0, 1.0], device=images.device)

        def outer(_time: Tensor, state: Tensor) -> Tensor:
            return torchdiffeq.odeint(self.field, state, times, method="bosh3")[-1]  # type: ignore[no-any-return]

        return self.head(torchdiffeq.odeint(outer, self.stem(images), times, method="dopri5")[-1])  # type: ignore[no-any-return]


def test_a_solve_within_a_solve_keeps_its_own_steps() -> None:
    """Two evaluations and one step of six stages, or two steps of three."""
    found = traced(lambda: Nested(adjoint=False, forced=False), "infer", nfe=8)
    assert evaluations(found.log) == 8 * 8


def test_without_a_statement_the_number_is_assumed_with_a_warning() -> None:
    assert UNSTATED in traced(lambda: Net(adjoint=True, forced=False), "infer", nfe=None).warnings


@pytest.mark.parametrize(("solver", "stages"), [("dopri5", 6), ("bosh3", 3), ("adaptive_heun", 2)])
def test_our_own_adaptive_solves_keep_the_pace_too(solver: str, stages: int) -> None:
    built: list[ODEBlock] = []

    class Blocked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.head = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 3, 1)
            self.ode = ODEBlock(Tuples(), solver=solver, gradient="aca")
            built.append(self.ode)

        def forward(self, images: Tensor) -> Tensor:
            return self.head(self.ode((self.stem(images),))[0])  # type: ignore[no-any-return]

    class Tuples(Field):
        def forward(self, time: Tensor | float, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:  # type: ignore[override]
            return (super().forward(time, state[0]),)

    traced(Blocked, "infer", nfe=2 + 4 * stages)
    assert built[0].steps_accepted == 4, "one inference of four steps, two more are copied"
    assert built[0].steps_rejected == 0


@pytest.mark.parametrize("change", ["removed", "other arguments"])
def test_a_torchdiffeq_that_is_built_otherwise_is_refused(monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    rk_common = sys.modules["torchdiffeq._impl.rk_common"]
    if change == "removed":
        monkeypatch.delattr(rk_common, "_compute_error_ratio")
    else:
        monkeypatch.setattr(rk_common, "_compute_error_ratio", lambda estimate: estimate)
    with pytest.raises(UserError, match=r"rk_common._compute_error_ratio .* install torchdiffeq==0.2.5"):
        traced(lambda: Net(adjoint=True, forced=False), "infer")


def test_the_known_release_of_torchdiffeq_is_the_installed_one() -> None:
    """Where this fails, compare the new release's steps with a real run before it is called known."""
    assert torchdiffeq.__version__ == KNOWN_RELEASE
