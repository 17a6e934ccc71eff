from __future__ import annotations

from collections.abc import Callable

from segbench.present.gradients import gradients_tables
from segbench.records.case import Case
from segbench.records.ledger import Entry
from segbench.records.measurement import Measurement

MIB = 2**20


def row(name: str, value: float | None, gradient: str, **more: str) -> Measurement:
    factors = {"solver": "euler", "gradient": gradient}
    return Measurement(name, value, "measured:host", "train", factors=factors, **more)  # type: ignore[arg-type]


def test_methods_are_set_beside_plain_backpropagation_and_refusals_say_why(make_entry: Callable[..., Entry]) -> None:
    rows = [
        row("gradient_relative_error", 0.0, "backprop"),
        row("train_peak_live_bytes", 100 * MIB, "backprop"),
        row("train_step_s", 0.2, "backprop"),
        row("gradient_relative_error", 3e-7, "checkpoint-stage"),
        row("train_peak_live_bytes", 25 * MIB, "checkpoint-stage"),
        row("nfe_forward", 4, "checkpoint-stage"),
        row("nfe_backward", 4, "checkpoint-stage"),
        row("train_step_s", 0.3, "checkpoint-stage"),
        row("gradient_relative_error", None, "adjoint", outcome="unsupported", cause="tells f no stage"),
    ]
    (sheet,) = gradients_tables([make_entry("segnode", *rows, case=Case("gradients", "segnode"))])
    assert sheet.lines()[0][-1] == "reference"
    assert sheet.lines()[1] == [*("euler, checkpoint-stage", "25.0 MiB", "0.25", "300 ms", "1.50", "4", "4", "3.0e-07")]
    assert sheet.lines()[2][-1] == "unsupported"
    assert "unsupported: tells f no stage" in sheet.notes
