"""Which cells stand side by side."""

from __future__ import annotations

from dataclasses import replace

from segbench.records.case import Case
from segbench.records.environment import Environment
from segbench.records.ledger import Entry
from segbench.records.measurement import Measurement
from segbench.statistics.pairing import pair_up

MACHINE = Environment("cpu", "A CPU", "2.13", "3.11", "Linux", "abc", 1)


def entry(model: str = "unet", run: str = "r1", outcome: str = "ok", value: float = 10.0, **changes: object) -> Entry:
    case = Case(**{"task": "params", "model": model, "modes": ("infer",), **changes})  # type: ignore[arg-type]
    rows = (
        Measurement("macs", value, "counted", "infer"),
        Measurement("parameters", 5, "counted"),
        Measurement("energy_per_image_j", None, "measured:nvml", "infer", cause="no card"),
    )
    return Entry(run, f"{model}{changes}", model, "h", {}, case, MACHINE, outcome, None, rows, 1.0, run)


def test_the_same_case_is_preferred_and_compares_nothing_but_runs() -> None:
    (pair,) = pair_up([entry(run="r1")], [entry(run="r2", precision="bf16"), entry(run="r2")])
    assert (pair.compared, pair.refused) == ((), ())
    assert pair.b.case.precision == "fp32"
    assert pair.names() == ("unet (A)", "unet (B)")


def test_one_differing_condition_is_what_is_compared() -> None:
    (pair,) = pair_up([entry()], [entry(precision="bf16")])
    assert (pair.compared, pair.refused) == (("precision",), ())
    assert pair.names() == ("unet with precision fp32", "unet with precision bf16")


def test_networks_are_compared_by_the_network_and_nothing_else_may_differ() -> None:
    (pair,) = pair_up([entry()], [entry("segnode", precision="bf16")])
    assert pair.compared == ("model",)
    assert [item.condition for item in pair.refused] == ["precision"]


def test_two_differing_conditions_are_refused_unless_they_are_named() -> None:
    a, b = [entry()], [entry(precision="bf16", width=240)]
    assert len(pair_up(a, b)[0].refused) == 2
    assert pair_up(a, b, ["precision", "width"])[0].refused == ()


def test_of_repeated_cells_the_last_that_answered_counts() -> None:
    again = [entry(value=1.0), entry(run="r2", value=2.0), entry(run="r3", outcome="crashed")]
    (pair,) = pair_up(again, [entry("segnode")])
    assert pair.a.run == "r2"


def test_cells_of_other_tasks_or_modes_are_not_compared() -> None:
    assert pair_up([entry()], [entry(task="memory")]) == []
    training = entry(task="memory", modes=("train",))
    assert pair_up([entry(task="memory")], [training]) == []


def curve(run: str, times: dict[float, float], batch: int = 1) -> Entry:
    """An entry with a latency for each end time."""
    rows = tuple(
        Measurement("latency_s", seconds, "measured:host", "infer", factors={"t_end": t_end, "batch_size": batch})
        for t_end, seconds in times.items()
    )
    return replace(entry(run=run, task="trajectory", infer_batch=batch), measurements=rows)


def test_a_curves_ends_are_contrasted_each_with_its_like() -> None:
    (pair,) = pair_up([curve("r1", {0.5: 1.0, 1.0: 2.0})], [curve("r2", {1.0: 6.0, 0.5: 2.0, 2.0: 9.0})])
    assert [(item.b.name, item.ratio) for item in pair.contrasts()] == [
        ("unet (B) at t_end 0.5", 2.0),
        ("unet (B) at t_end 1.0", 3.0),
    ]


def test_a_factor_that_is_the_same_throughout_an_entry_keeps_nothing_apart() -> None:
    (pair,) = pair_up([curve("r1", {1.0: 1.0})], [curve("r2", {1.0: 2.0}, batch=4)])
    (found,) = pair.contrasts()
    assert (found.ratio, found.b.name) == (2.0, "unet with infer_batch 4")


def test_quantities_that_both_have_are_contrasted_in_the_tables_order() -> None:
    (pair,) = pair_up([entry()], [entry("segnode", value=5.0)])
    assert [(item.a.quantity, item.ratio) for item in pair.contrasts()] == [("parameters", 1.0), ("macs", 0.5)]
    assert [item.a.quantity for item in pair.contrasts(["macs"])] == ["macs"]
