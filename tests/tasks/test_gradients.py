from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from segbench.errors import UnknownName, UserError
from segbench.meters.gradients import Evaluations, SolverAndGradient, ode_blocks
from segbench.records.case import Case, Json
from segbench.records.measurement import Measurement
from segbench.tasks import gradients
from segbench.tasks.gradients import run

CASE = Case("gradients", "segnode-w8", width=64, height=64, batch_size=1, modes=("train",)).with_arguments(
    widths=[4, 8, 8, 8], stem=4, blocks=1
)


class Listener:
    def __init__(self) -> None:
        self.rows: list[Measurement] = []

    def measured(self, measurement: Measurement) -> None:
        self.rows.append(measurement)

    def progress(self, stage: str, done: int, total: int, **extra: Json) -> None: ...
    def note(self, sentence: str) -> None: ...

    def value(self, quantity: str, solver: str, gradient: str) -> float:
        (row,) = (
            row
            for row in self.rows
            if row.quantity == quantity and row.factors == {"solver": solver, "gradient": gradient}
        )
        assert row.value is not None
        return row.value


def heard(case: Case, **options: Json) -> Listener:
    listener = Listener()
    run(case.with_options(rounds=1, **options), listener)
    return listener


def test_exact_methods_have_no_error_and_recompute_what_they_did_not_keep() -> None:
    found = heard(CASE, solvers=("euler",))
    for gradient, backward in (("backprop", 0), ("checkpoint-step", 4), ("checkpoint-stage", 4)):
        assert found.value("gradient_relative_error", "euler", gradient) < 1e-5
        assert found.value("nfe_forward", "euler", gradient) == 4
        assert found.value("nfe_backward", "euler", gradient) == backward
    assert found.value("gradient_relative_error", "euler", "quadrature-adjoint") > 1e-3


def test_keeping_less_takes_less_memory() -> None:
    found = heard(CASE.with_arguments(steps=16), solvers=("euler",), gradients=("backprop", "checkpoint-stage"))
    peak = "train_peak_live_bytes"
    assert found.value(peak, "euler", "checkpoint-stage") < found.value(peak, "euler", "backprop")
    assert found.value("train_step_s", "euler", "backprop") > 0


def test_what_a_network_cannot_do_is_a_row_with_its_reason() -> None:
    found = heard(CASE.with_arguments(norm="batch-per-stage", recompute=False), solvers=("euler", "dopri5"))
    refused = {row.factors["gradient"]: row.cause for row in found.rows if row.outcome == "unsupported"}
    assert {"backprop", "aca", "adjoint", "adjoint-seminorm"} <= set(refused)
    assert found.value("nfe_forward", "euler", "backprop") == 4


def test_other_networks_and_names_are_refused() -> None:
    with pytest.raises(UserError, match="has no ODE block"):
        heard(Case("gradients", "unet-w8", width=64, height=64))
    with pytest.raises(UnknownName, match="no solver 'eular'"):
        heard(CASE, solvers=("eular",))


def test_a_method_that_does_not_fit_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def measured(network: object, pair: SolverAndGradient, loss: object) -> float:
        if pair.gradient == "backprop":
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return math.nan if pair.gradient == "adjoint" else 0.5

    counted = gradients.count_evaluations

    def evaluations(network: nn.Module, step: Callable[[], object]) -> Evaluations:
        if ode_blocks(network)[0].gradient == "checkpoint-step":
            raise torch.OutOfMemoryError("CUDA out of memory")
        return counted(network, step)

    monkeypatch.setattr(gradients, "relative_error", measured)
    monkeypatch.setattr(gradients, "count_evaluations", evaluations)
    found = heard(CASE, solvers=("euler",))
    errors = {row.factors["gradient"]: row for row in found.rows if row.quantity == "gradient_relative_error"}
    assert errors["backprop"].value is None and "does not fit" in str(errors["backprop"].cause)
    assert errors["checkpoint-step"].outcome == "does_not_fit"
    assert errors["adjoint"].value is None and str(errors["adjoint"].cause) == "the gradient's error is nan"
    assert errors["quadrature-adjoint"].value == 0.5
    timed = {row.factors["gradient"] for row in found.rows if row.quantity == "train_step_s"}
    assert timed == set(errors) - {"checkpoint-step"}


def test_on_cuda_the_bench_s_own_batch_is_not_part_of_a_step_s_peak(monkeypatch: pytest.MonkeyPatch) -> None:
    """The allocator's peak holds it, rounded to blocks of 512 bytes: 300 bytes of images and 200 of labels."""
    monkeypatch.setattr(gradients, "measure_cuda_peaks", lambda *_: SimpleNamespace(allocated=1_000_000))
    workload = SimpleNamespace(device=torch.device("cuda:0"))
    batch = torch.zeros(1, 3, 5, 5), torch.zeros(1, 5, 5, dtype=torch.int64)
    bench = gradients._Bench(workload, batch, "measured:cuda")  # type: ignore[arg-type]
    assert bench._peak() == ("train_peak_allocated_bytes", 1_000_000 - 2 * 512)
