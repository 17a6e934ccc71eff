"""The tables of `segbench trajectory`: cost and accuracy of every end, every stopping rule with its controls."""

from __future__ import annotations

from collections.abc import Sequence

from segbench.present.amounts import in_points, in_seconds
from segbench.present.formats import (
    LARGE_COUNT,
    NUMBER,
    PERCENT,
    POINTS,
    POINTS_INTERVAL,
    POINTS_WITH_INTERVAL,
    SECONDS,
    Format,
    Value,
    plain,
)
from segbench.present.provenance import provenance
from segbench.present.table import Column, Columns, Rows, Table, table_of
from segbench.present.trajectory_points import RULE, Point, half, is_oracle, pareto_optimal, points_of, whole
from segbench.present.values import Cards, outcome
from segbench.records.ledger import Entry

PAPER = "the paper: 3 % of accuracy for 50 % of the time (SegNode, section 4.8)"

_CONTROLS = {"shorter": "earlier ends", "coarser": "fewer steps", "permuted": "permuted stops"}
_QUANTILES = ("p50", "p95", "worst")


def trajectory_tables(entries: Sequence[Entry], _cards: Cards | None = None) -> list[Table]:
    """One table of ends a network, two of stopping rules where there are any."""
    sheets = []
    for entry in entries:
        points = points_of(entry)
        ends = [point for point in points if point.knob != RULE]
        rules = [point for point in points if point.knob == RULE]
        sheets.append(_ends(entry, ends))
        if rules:
            sheets += [_savings(entry, rules), _controls(entry, rules)]
    return sheets


def _ends(entry: Entry, points: Sequence[Point]) -> Table:
    columns: Columns = [
        *("end", Column("NFE", _EVALUATIONS), Column("MACs", LARGE_COUNT)),
        *(Column("time", SECONDS), Column("95 %", _AROUND_SECONDS, "time")),
        *(Column("mIoU", PERCENT), Column("95 %", _AROUND_POINTS, "mIoU")),
        *(Column("mIoU drop", POINTS), Column("95 %", POINTS_INTERVAL, "mIoU drop")),
        *(Column("image\nmean", PERCENT), Column("pixels\nchanged", PERCENT)),
        *(Column("|f|/|h|", plain("{:.2f}", "fraction")), Column("Pareto-\noptimal", name="Pareto-optimal")),
    ]
    optimal = {cost: pareto_optimal(points, cost) for cost in ("nfe_forward", "latency_s")}
    rows: Rows = [_row(point, optimal) for point in points]
    if entry.outcome != "ok":
        rows.append([outcome(entry), *[None] * (len(columns) - 1)])
    return table_of(f"{entry.model} along the solver's time", columns, rows, [provenance([entry]), *_notes(points)])


def _row(point: Point, optimal: dict[str, list[Point]]) -> list[Value]:
    return [
        point.label,
        _evaluations(point),
        point.value("macs"),
        *(point.value("latency_s"), point.interval("latency_s")),
        *(point.value("miou"), point.interval("miou")),
        *(point.value("miou_drop"), point.interval("miou_drop")),
        *(point.value("miou_image_mean"), point.value("pixels_changed")),
        point.value("state_speed"),
        " ".join(name for name, cost in (("NFE", "nfe_forward"), ("ms", "latency_s")) if point in optimal[cost]),
    ]


def _steps(counts: tuple[float | None, ...]) -> str:
    """`4`, and for an adaptive solver its steps: `26 (4+0)`, accepted and rejected."""
    evaluations, accepted, rejected = counts
    return f"{evaluations:g}" + ("" if accepted is None else f" ({accepted:g}+{rejected or 0:g})")


_EVALUATIONS = Format("count", _steps, ("", "accepted", "rejected"))
_AROUND_SECONDS = Format("second", lambda ends: f"±{in_seconds((ends[1] - ends[0]) / 2)}", ("low", "high"))
_AROUND_POINTS = Format("fraction", lambda ends: f"±{50 * (ends[1] - ends[0]):.1f}", ("low", "high"))
"""Half of the interval's width, in the value's own terms."""


def _evaluations(point: Point) -> Value:
    counts = tuple(point.value(name) for name in ("nfe_forward", "solver_accepted_steps", "solver_rejected_steps"))
    return None if counts[0] is None else counts


def _notes(points: Sequence[Point]) -> list[str]:
    images = points[-1].detail("miou", "images") if points else None
    counted = f"{images} images" if images else "the images"
    notes = [
        f"mIoU: one confusion matrix over {counted}; intervals: bootstrap over images; "
        "mIoU drop: mIoU at the end time T minus mIoU here, in points, on the same images",
        "Pareto-optimal: no other end is at least as cheap (in evaluations, in time) and at least as good",
        *_how_timed(points),
    ]
    if any(point.value("solver_accepted_steps") is not None for point in points):
        notes.append("NFE (a+r): a accepted and r rejected steps")
    if by_block := points[-1].detail("nfe_forward", "by_block") if points else None:
        notes.append(f"NFE by block, {points[-1].label}: {', '.join(f'{count:g}' for count in by_block)}")
    sentence = half_sentence(points)
    return [*notes, sentence] if sentence else notes


def _how_timed(points: Sequence[Point]) -> list[str]:
    """What the times and their intervals rest on; nothing of a ledger in which one process timed them."""
    by_round = next((rounds for point in points if (rounds := point.detail("latency_s", "rounds"))), None)
    if by_round is None:
        return []
    calls = f"{sum(by_round)} calls in {len(by_round)} round{'s' * (len(by_round) > 1)} of fresh processes"
    basis = "its interval is over rounds" if len(by_round) > 1 else "an interval takes two rounds"
    return [f"time: median of {calls}, in which all ends take turns; {basis}"]


def half_sentence(points: Sequence[Point]) -> str | None:
    """What half of the evaluations costs, beside the paper's statement; None where half cannot be found."""
    cheap, last = half(points), whole(points)
    if cheap is None or last is None:
        return None
    spent, all_of_it = cheap.value("latency_s"), last.value("latency_s")
    share = f"{spent / all_of_it:.0%} of the time" if spent and all_of_it else "time unknown"
    interval = cheap.interval("miou_drop")
    around = POINTS_INTERVAL.draw(interval) if interval else "no interval"
    drop = f"mIoU drop {in_points(cheap.value('miou_drop'))} points ({around})"
    evaluations = f"{cheap.value('nfe_forward'):g} of {last.value('nfe_forward'):g} evaluations"
    return f"{cheap.label}: {evaluations}, {share}, {drop}; {PAPER}"


def _savings(entry: Entry, points: Sequence[Point]) -> Table:
    columns: Columns = [
        *("rule", Column("mIoU", PERCENT), Column("NFE", plain("{:.2f}", "count"))),
        *(Column(name, NUMBER, f"NFE {name}") for name in ("p50", "p95", "max")),
        Column("MACs\nsaved", PERCENT),
        *(Column(name, SECONDS, f"time {name.split()[-1]}") for name in ("time\np50", "p95", "max")),
        Column("time\nsaved", PERCENT),
    ]
    rows: Rows = [
        [
            *(point.label, point.value("miou"), point.value("nfe_forward") or 0),
            *(point.detail("nfe_forward", name) or 0 for name in _QUANTILES),
            point.detail("macs", "saved"),
            *(point.detail("latency_s", name) for name in _QUANTILES),
            point.detail("latency_s", "saved"),
        ]
        for point in points
    ]
    notes = ["over images; saved: share of the whole solve's mean, the cost of the rule itself included"]
    timed = next((how for point in points if (how := point.detail("latency_s", "timed"))), None)
    notes += [f"time: {timed}"] if timed else []
    return table_of(f"{entry.model}, early exit image by image", columns, rows, notes)


def _controls(entry: Entry, points: Sequence[Point]) -> Table:
    columns: Columns = [
        "rule",
        *(Column(f"against\n{name}", POINTS_WITH_INTERVAL) for name in _CONTROLS.values()),
        "gain",
    ]
    rows: Rows = [
        [
            point.label,
            *(_against(point, control) for control in _CONTROLS),
            "a bound" if is_oracle(point) else "yes" if point.detail("miou", "gains") else "not shown",
        ]
        for point in points
    ]
    notes = [
        "mIoU in points (95 %) at the same mean number of evaluations: against ending all images earlier, against fewer"
        " steps for all, and against the rule's own stops permuted among the images",
        "a gain is claimed only where all three intervals lie above 0; the oracle reads the ground truth",
    ]
    return table_of(f"{entry.model}, early-exit rules against their controls", columns, rows, notes)


def _against(point: Point, control: str) -> Value:
    found = (point.detail("miou", "against") or {}).get(control)
    return (found["value"], found["low"], found["high"]) if found else None
