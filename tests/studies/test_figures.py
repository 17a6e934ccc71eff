"""The paper's statement about half of the time, for trajectories of the ledger."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from segbench.records.case import Case
from segbench.records.ledger import Entry
from segbench.records.measurement import Measurement
from segbench.statistics.stopping import StopRule
from segbench.studies.figures import half_time, trajectory_options


@pytest.fixture
def trajectory(make_entry: Callable[..., Entry]) -> Callable[..., Entry]:
    """Four steps of one evaluation each; `drop` is given up after two."""

    def make(drop: float, dataset: str = "pascal-context-59") -> Entry:
        rows = []
        for step, lost in enumerate((0.5, 0.2, drop, 0.01, 0.0)):
            factors = {"t_end": step / 4, "steps": step}
            detail = {"knob": "time"}
            rows += [
                Measurement("miou", 0.8 - lost, "measured:host", factors=factors, detail=detail),
                Measurement(
                    "miou_drop",
                    lost,
                    "measured:host",
                    spread_low=lost - 0.002,
                    spread_high=lost + 0.002,
                    factors=factors,
                ),
                Measurement("nfe_forward", step, "counted", "infer", factors=factors),
                Measurement("pixels_changed", lost, "measured:host", factors=factors),
            ]
        case = Case("trajectory", "segnode-w8", dataset=dataset, split="val", modes=("infer",))
        return make_entry("segnode-w8", *rows, case=case)

    return make


@pytest.mark.parametrize(
    ("drop", "verdict"),
    [(0.03, "reproduced"), (0.034, "reproduced"), (0.05, "same direction"),
     (0.1, "contradicted"), (-0.01, "contradicted")],
)  # fmt: skip
def test_half_of_the_time_costs_what_the_paper_says(
    trajectory: Callable[..., Entry], drop: float, verdict: str
) -> None:
    (cell,) = half_time([trajectory(drop)]).cells.values()
    assert cell.value == pytest.approx(drop)
    assert cell.judgement is not None
    assert cell.judgement.verdict == verdict


def test_on_other_data_the_statement_is_shown_and_not_judged(trajectory: Callable[..., Entry]) -> None:
    table = half_time([trajectory(0.011, "synthetic")])
    (cell,) = table.cells.values()
    assert [row[0].text for row in table.rows] == ["segnode-w8, synthetic val"]
    assert (cell.text, cell.paper and cell.paper.text) == ("1.10", "about 3")
    assert cell.conditions == "t = 0.5, 95 % 0.90 to 1.30"
    assert cell.judgement is not None
    assert cell.judgement.why == "on synthetic; the paper's is on pascal-context"


def test_a_ledger_without_trajectories_has_no_rows() -> None:
    assert half_time([]).cells == {}


def test_other_weights_are_another_case() -> None:
    one, other = (
        Case("trajectory", "segnode-w8", options=trajectory_options("best.safetensors", digest, StopRule()))
        for digest in ("a", "b")
    )
    assert one.key("", "", "") != other.key("", "", "")
