"""The tables of `segbench trajectory`: every end with what it costs and buys, every stopping rule with its controls."""

from __future__ import annotations

from collections.abc import Sequence

from segbench.present.amounts import MISSING, in_large_count, in_percent, in_seconds
from segbench.present.provenance import provenance
from segbench.present.sheet import Sheet
from segbench.present.trajectory_points import RULE, Point, half, is_oracle, pareto_optimal, points_of, whole
from segbench.present.values import outcome
from segbench.records.ledger import Entry

PAPER = "the paper: 3 % of accuracy for 50 % of the time (SegNode, section 4.8)"

_CONTROLS = {"shorter": "earlier ends", "coarser": "fewer steps", "permuted": "permuted stops"}
_QUANTILES = ("p50", "p95", "worst")


def trajectory_sheets(entries: Sequence[Entry]) -> list[Sheet]:
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


def _ends(entry: Entry, points: Sequence[Point]) -> Sheet:
    columns = [
        "end",
        "NFE",
        "MACs",
        "time",
        "95 %",
        "mIoU",
        "95 %",
        "mIoU drop",
        "95 %",
        "image\nmean",
        "pixels\nchanged",
        "|f|/|h|",
        "Pareto-\noptimal",
    ]
    optimal = {cost: pareto_optimal(points, cost) for cost in ("nfe_forward", "latency_s")}
    rows = [_row(point, optimal) for point in points]
    if entry.outcome != "ok":
        rows.append([outcome(entry), *[MISSING] * (len(columns) - 1)])
    return Sheet(f"{entry.model} along its time", columns, rows, [provenance([entry]), *_notes(points)])


def _row(point: Point, optimal: dict[str, list[Point]]) -> list[str]:
    speed = point.value("state_speed")
    return [
        point.label,
        _evaluations(point),
        in_large_count(point.value("macs")),
        in_seconds(point.value("latency_s")),
        _around(point, "latency_s"),
        in_percent(point.value("miou")),
        _around(point, "miou"),
        _points(point.value("miou_drop")),
        _interval(point, "miou_drop"),
        in_percent(point.value("miou_image_mean")),
        in_percent(point.value("pixels_changed")),
        MISSING if speed is None else f"{speed:.2f}",
        " ".join(name for name, cost in (("NFE", "nfe_forward"), ("ms", "latency_s")) if point in optimal[cost]),
    ]


def _evaluations(point: Point) -> str:
    """`4`, and for an adaptive solver its steps: `26 (4+0)`, accepted and rejected."""
    evaluations = point.value("nfe_forward")
    accepted, rejected = point.value("solver_accepted_steps"), point.value("solver_rejected_steps")
    if evaluations is None:
        return MISSING
    return f"{evaluations:g}" + ("" if accepted is None else f" ({accepted:g}+{rejected or 0:g})")


def _notes(points: Sequence[Point]) -> list[str]:
    images = points[-1].detail("miou", "images") if points else None
    counted = f"{images} images" if images else "the images"
    notes = [
        f"mIoU: one confusion matrix over {counted}; its intervals: bootstrap over images; "
        "mIoU drop: mIoU at T less mIoU here, in points, paired",
        "Pareto-optimal: no other end is both as cheap (in evaluations, in time) and as good",
        *_how_timed(points),
    ]
    if any(point.value("solver_accepted_steps") is not None for point in points):
        notes.append("NFE (a+r): a accepted and r rejected steps")
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
    cost = f"{_points(cheap.value('miou_drop'))} points of mIoU ({_interval(cheap, 'miou_drop')})"
    evaluations = f"{cheap.value('nfe_forward'):g} of {last.value('nfe_forward'):g} evaluations"
    return f"{cheap.label}: {evaluations}, {share}, costs {cost}; {PAPER}"


def _savings(entry: Entry, points: Sequence[Point]) -> Sheet:
    columns = ["rule", "mIoU", "NFE", "p50", "p95", "max", "MACs\nsaved", "time\np50", "p95", "max", "time\nsaved"]
    rows = [
        [
            point.label,
            in_percent(point.value("miou")),
            f"{point.value('nfe_forward') or 0:.2f}",
            *(f"{point.detail('nfe_forward', name) or 0:g}" for name in _QUANTILES),
            in_percent(point.detail("macs", "saved")),
            *(in_seconds(point.detail("latency_s", name)) for name in _QUANTILES),
            in_percent(point.detail("latency_s", "saved")),
        ]
        for point in points
    ]
    notes = ["over images; saved: of the whole solve's mean, the rule's own looks included"]
    timed = next((how for point in points if (how := point.detail("latency_s", "timed"))), None)
    notes += [f"time: {timed}"] if timed else []
    return Sheet(f"{entry.model}, stopping each image by itself", columns, rows, notes)


def _controls(entry: Entry, points: Sequence[Point]) -> Sheet:
    columns = ["rule", *(f"against\n{name}" for name in _CONTROLS.values()), "gain"]
    rows = [
        [
            point.label,
            *(_against(point, control) for control in _CONTROLS),
            "a bound" if is_oracle(point) else "yes" if point.detail("miou", "gains") else "not shown",
        ]
        for point in points
    ]
    notes = [
        "mIoU in points (95 %) at the same mean evaluations: against ending all images earlier, against fewer steps for"
        " all, and against the rule's own stops dealt out to the images by chance",
        "a gain is claimed only where all three intervals lie above 0; the oracle reads the truth",
    ]
    return Sheet(f"{entry.model}, the rules against their controls", columns, rows, notes)


def _against(point: Point, control: str) -> str:
    found = (point.detail("miou", "against") or {}).get(control)
    if found is None:
        return MISSING
    return f"{_points(found['value'])} ({_points(found['low'])} to {_points(found['high'])})"


def _points(value: float | None) -> str:
    """A fraction in percentage points, signed: `+1.3`, and `0.0` without a sign."""
    if value is None:
        return MISSING
    rounded = round(100 * value, 1)
    return f"{rounded:+.1f}" if rounded else "0.0"


def _interval(point: Point, quantity: str) -> str:
    found = point.interval(quantity)
    return MISSING if found is None else f"{_points(found[0])} to {_points(found[1])}"


def _around(point: Point, quantity: str) -> str:
    """Half of the interval's width, in the value's own terms."""
    found = point.interval(quantity)
    if found is None:
        return MISSING
    reach = (found[1] - found[0]) / 2
    return f"±{in_seconds(reach)}" if quantity == "latency_s" else f"±{100 * reach:.1f}"
