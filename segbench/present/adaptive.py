"""The tables of `segbench adaptive`: every way to run a network, all networks beside each other, and the verdicts."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from segbench.present.adaptive_points import (
    FIXED,
    PERMUTED,
    POLICY,
    Estimate,
    ShownVerdict,
    Way,
    cause_of,
    is_dominated,
    shift_of,
    verdict_of,
    ways_of,
    whole_of,
)
from segbench.present.amounts import in_percent, in_points
from segbench.present.formats import (
    LARGE_COUNT,
    PERCENT,
    POINTS_WITH_INTERVAL,
    SECONDS,
    Format,
    Value,
)
from segbench.present.provenance import provenance
from segbench.present.table import Column, Columns, Rows, Table, table_of
from segbench.present.values import Cards, outcome
from segbench.records.ledger import Entry

_CONTROLS = ("fixed exits", "fixed exits in time", "permuted")
"""As the verdict's row names them."""

_WORDS = {
    "time": "saves time",
    "operations": "saves only operations",
    "nothing": "saves nothing beyond a fixed exit",
}

_SAVES = {"time": "time", "operations": "only operations", "nothing": "nothing"}
"""In a column; the sentence below says more."""

_SHIFT_NOTE = (
    "grid shift: change of mIoU by half a block or region under the own policy, beyond the change without skipping"
)


def _saved(parts: Estimate) -> str:
    """`44.6 ±3.2 %`: half of the interval's width, where it has one."""
    value, low, high = parts
    return f"{100 * value:.1f}{f' ±{50 * (high - low):.1f}' if high > low else ''} %"


_SAVED = Format("fraction", _saved, ("", "low", "high"))
_AROUND = Format("fraction", lambda ends: f"±{50 * (ends[1] - ends[0]):.1f}", ("low", "high"))
"""Half of the interval's width, in points."""


def adaptive_tables(entries: Sequence[Entry], _cards: Cards | None = None) -> list[Table]:
    """Of each adaptive network its ways and their times, then all networks, the verdicts, and what they rest on.

    No table is wider than a terminal of 100 columns but for long names.
    """
    found = [(entry, ways_of(entry)) for entry in entries]
    judged = [(entry, verdict) for entry in entries if (verdict := verdict_of(entry))]
    tables: list[Table] = []
    for entry, ways in found:
        if len(ways) > 1 or entry.outcome != "ok":
            tables += [_ways(entry, ways), *([_times(entry, ways)] if any(way.times for way in ways) else [])]
    return [*tables, _networks(found), *([_verdicts(judged), _grounds(judged)] if judged else [])]


def _ways(entry: Entry, ways: Sequence[Way]) -> Table:
    columns: Columns = [
        *("policy", Column("mIoU", PERCENT), Column("95 %", _AROUND, "mIoU"), Column("mIoU\npermuted", PERCENT)),
        Column("MACs\nmean", LARGE_COUNT),
        *(Column(name, LARGE_COUNT, f"MACs {name}") for name in ("p50", "p95", "worst")),
        Column("MACs\nsaved", PERCENT),
        Column("calibration\nerror", PERCENT),
    ]
    permuted = {way.detail("miou", "of"): way.miou for way in ways if way.kind == PERMUTED}
    rows: Rows = [_way(way, permuted.get(way.name)) for way in ways if way.kind != PERMUTED]
    if entry.outcome != "ok":
        rows.append([outcome(entry), *[None] * (len(columns) - 1)])
    return table_of(f"{entry.model}: policies and controls", columns, rows, [provenance([entry]), *_notes(entry, ways)])


def _times(entry: Entry, ways: Sequence[Way]) -> Table:
    batches = sorted({batch for way in ways for batch in way.times})
    columns: Columns = ["policy", *(column for batch in batches for column in _time_columns(batch))]
    timed = [way for way in ways if way.times]
    rows: Rows = [[way.name, *(value for batch in batches for value in _time(way, batch))] for way in timed]
    note = "time: of an image, each image once under each policy in turns, inputs to classes; saved: of the sum"
    return table_of(f"{entry.model}: time of an image", columns, rows, [provenance([entry]), note])


def _time_columns(batch: int) -> list[Column]:
    times = [Column(name, SECONDS, f"time {name}, batch {batch}") for name in _quantiles(batch)]
    first = Column(f"batch {batch}\n{times[0].heading}", SECONDS, times[0].name)
    return [first, *times[1:], Column("time\nsaved", _SAVED, f"time saved, batch {batch}")]


def _quantiles(batch: int) -> tuple[str, ...]:
    """Of a batch's images together only the middle: its worst says little of an image."""
    return ("p50", "p95", "worst") if batch == 1 else ("p50",)


def _way(way: Way, permuted: float | None) -> list[Value]:
    row = way.rows["miou"]
    saved = way.detail("macs", "saved")
    around = None if row.spread_low is None or row.spread_high is None else (row.spread_low, row.spread_high)
    return [
        *(way.name, way.miou, around, permuted, way.macs),
        *(way.detail("macs", name) for name in ("p50", "p95", "worst")),
        saved["value"] if saved else None,
        way.value("calibration_error"),
    ]


def _time(way: Way, batch: int) -> list[Value]:
    row = way.times.get(batch)
    if row is None:
        return [None] * (len(_quantiles(batch)) + 1)
    saved = row.detail["saved"]
    return [*(row.detail[name] for name in _quantiles(batch)), (saved["value"], saved["low"], saved["high"])]


def _notes(entry: Entry, ways: Sequence[Way]) -> list[str]:
    images = ways[0].detail("miou", "images") if ways else None
    notes = [
        f"mIoU: one confusion matrix over {images} images; MACs: executed for each image alone, deciding included; "
        "saved: against the last stage, the whole network",
        "stage=k: every image stopped there; oracle: decides by the truth, a reference, no bound",
        "mIoU permuted: a policy's decisions dealt to other images",
        "thresholds: spread over the numbers that a policy compares on these images, their labels not used",
    ]
    untimed = cause_of(entry, "latency_s")
    return [*notes, *([f"no time: {untimed}"] if untimed else []), *filter(None, [cause_of(entry, "macs_saved")])]


def _networks(found: Sequence[tuple[Entry, Sequence[Way]]]) -> Table:
    """The point that counts of each network, and where it lies on the front of all points of all networks."""
    everything = [way for _, ways in found for way in ways if way.kind in (POLICY, FIXED)]
    columns: Columns = [
        *("network", "policy", Column("mIoU", PERCENT), Column("MACs", LARGE_COUNT), Column("time", SECONDS)),
        *(Column("trained\nfor", SECONDS), Column("Pareto-\noptimal", name="Pareto-optimal")),
    ]
    rows: Rows = []
    for entry, ways in found:
        whole, verdict = whole_of(ways), verdict_of(entry)
        for way in ways:
            if way is whole or (verdict and way.name == verdict.policy):
                name = "static" if way.is_static else "all stages" if way is whole else way.name
                trained = whole.detail("miou", "trained_for_s") if whole else None
                rows.append([entry.model, name, way.miou, way.macs, way.seconds(), trained, _optimal(way, everything)])
    notes = [
        "of an adaptive network: with all stages, and at the threshold of its verdict; time: mean an image, batch 1",
        "Pareto-optimal: no point of any network here, at no threshold or stage, is at least as cheap and as accurate",
    ]
    return table_of("Adaptive and static networks", columns, rows, notes)


def _optimal(way: Way, others: Sequence[Way]) -> str:
    """In which costs no other point is at least as good in both."""
    costs: dict[str, Callable[[Way], float | None]] = {"MACs": lambda item: item.macs, "time": Way.seconds}
    return " ".join(
        name for name, cost in costs.items() if cost(way) is not None and not is_dominated(way, others, cost)
    )


def _verdicts(judged: Sequence[tuple[Entry, ShownVerdict]]) -> Table:
    columns: Columns = [
        *("network", "saves", "policy"),
        *(Column("mIoU drop", POINTS_WITH_INTERVAL), Column("MACs saved", _SAVED)),
        Column("time saved", _SAVED),
    ]
    rows: Rows = [
        [
            *(entry.model, _SAVES[item.kind], item.policy, item.drop),
            *(item.macs_saved if item.policy else None, item.time_saved),
        ]
        for entry, item in judged
    ]
    notes = [
        *(verdict_sentence(entry.model, item) for entry, item in judged),
        "threshold: chosen on every second image, the cheapest within 1 point of mIoU of the whole network; judged on"
        " the others; mIoU in points, intervals 95 %, paired bootstrap over images",
    ]
    return table_of("Verdicts", columns, rows, notes)


def _grounds(judged: Sequence[tuple[Entry, ShownVerdict]]) -> Table:
    columns: Columns = ["network", *(Column(f"against\n{name}", POINTS_WITH_INTERVAL) for name in _CONTROLS)]
    columns = [*columns, Column("grid shift", POINTS_WITH_INTERVAL)]
    rows: Rows = [
        [entry.model, *(item.against.get(name) for name in _CONTROLS), shift_of(entry)] for entry, item in judged
    ]
    notes = [
        "against: mIoU beside the network stopped at fixed stages at the same mean operations or time, and beside its"
        " decisions dealt to other images; something is saved where these intervals lie above 0",
        *(_SHIFT_NOTE for entry, _ in judged[:1] if any(shift_of(entry) for entry, _ in judged)),
    ]
    return table_of("What the verdicts rest on: differences of mIoU in points", columns, rows, notes)


def verdict_sentence(model: str, verdict: ShownVerdict) -> str:
    """The verdict in one sentence, with its ground."""
    if verdict.policy is None:
        return f"{model} saves nothing: no threshold saves operations and stays within 1 point of the whole network"
    saved = f"{verdict.policy} saves {_percent(verdict.macs_saved)} of the operations"
    if verdict.kind == "nothing":
        return f"{model} {_WORDS['nothing']}: {saved}, and {_failed(verdict)}"
    drop = f"{in_points(verdict.drop[0])} points of mIoU" if verdict.drop else "no change of mIoU"
    if verdict.kind == "time" and verdict.time_saved:
        return f"{model} saves time: {saved} and {_percent(verdict.time_saved)} of the time at a drop of {drop}"
    return f"{model} saves only operations: {saved} at a drop of {drop}, and {_no_time(verdict)}"


def _failed(verdict: ShownVerdict) -> str:
    rivals = (("fixed exits", "fixed exits at the same cost"), ("permuted", "its own decisions dealt to other images"))
    for name, what in rivals:
        value, low, high = verdict.against[name]
        if low <= 0:
            around = f"{in_points(low)} to {in_points(high)}"
            return f"against {what} its mIoU differs by {in_points(value)} points ({around})"
    return "the saving is not certain"


def _no_time(verdict: ShownVerdict) -> str:
    if verdict.simulated:
        return f"it is simulated here: {verdict.simulated}"
    if verdict.time_saved is None:
        return "no time was measured"
    if verdict.time_saved[1] <= 0:
        return f"{_percent(verdict.time_saved)} of the time"
    return f"{_percent(verdict.time_saved)} of the time, which a fixed exit of the same time matches"


def _percent(found: Estimate) -> str:
    value, low, high = found
    return f"{in_percent(value)} ({in_percent(low)} to {in_percent(high)})"
