"""Predicts the largest batch that fits a budget, by replaying both sides of the answer; no GPU is needed."""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import partial

from segbench.estimate.affine import NotedTraces, Noting, Traces
from segbench.estimate.allocator import Replay
from segbench.estimate.largest import Largest, largest_size
from segbench.estimate.recorded import Recorded
from segbench.records.case import Case, Json
from segbench.records.measurement import Measurement
from segbench.tasks.predict import Tracer, overheads_of
from segbench.tasks.protocol import Reporter
from segbench.units import GIB

HIGHEST_BATCH = 4096
"""Larger batches are not looked at."""
FIRST_BATCH = 2
"""Traced first: the smallest at which batch normalisation of a map pooled to 1x1 can train."""


def run(case: Case, report: Reporter) -> None:
    """Reports, for each of the case's modes, the largest batch and the one that does not fit.

    The context is taken off `budget_bytes`; what remains is the allocator's limit.
    """
    for number, mode in enumerate(case.modes):
        traces = NotedTraces(partial(_noted, Tracer(), case, mode), overheads_of(case).workspace_of)
        found = largest_size(traces, allocator_limit(case), range(1, HIGHEST_BATCH + 1), FIRST_BATCH)
        line = line_of(traces, FIRST_BATCH, found)
        for row in bracket_rows(found.fits, found.fails_at, mode, found, line, case):
            report.measured(replace(row, factors={} if row.value is None else {"batch_size": row.value}))
        report.progress(mode, number + 1, len(case.modes))


def _noted(tracer: Tracer, case: Case, mode: str, batch: int) -> Recorded:
    noting = Noting(**asdict(overheads_of(case)))
    return Recorded(tracer.step(case, mode, batch, noting).log, tuple(noting.seen))


def line_of(traces: Traces, first: int, found: Largest) -> list[tuple[int, int]]:
    """Two amounts, of the size traced first and of another one near the answer, with their live peaks."""
    other = next(size for size in (found.fails_at, found.fits) if size not in (None, first))
    return [(traces.amount(size), traces.at(size).peak[1]) for size in (first, other)]


def allocator_limit(case: Case) -> int:
    """Bytes the caching allocator may hold within the case's budget."""
    assert case.budget_bytes is not None
    return case.budget_bytes - overheads_of(case).context_bytes


def bracket_rows(
    fits: int | None,
    fails_at: int | None,
    mode: str,
    found: Largest,
    line: list[tuple[int, int]],
    case: Case,
) -> list[Measurement]:
    """The answer and the proof of its other side, with what both sides use.

    Args:
        fits, fails_at: in the quantity's unit.
        line: two amounts (batches or pixels) and their live peaks: a search on a device begins with it.
    """
    detail = {**_detail(found, case), "line": line}
    kind = case.kind
    cause = None if fits is not None else _does_not_fit(found, case)
    return [
        Measurement(
            kind.headline,
            fits,
            "predicted",
            mode=mode,
            outcome="ok" if fits is not None else "does_not_fit",
            cause=cause,
            detail=detail,
        ),
        Measurement(
            kind.bound,
            fails_at,
            "predicted",
            mode=mode,
            cause=None if fails_at is not None else "everything up to the search's end fits",
            detail=detail,
        ),
    ]


def _does_not_fit(found: Largest, case: Case) -> str:
    assert found.needed is not None and case.budget_bytes is not None
    needed = found.needed.reserved_peak + overheads_of(case).context_bytes
    return f"1 does not fit: it needs {needed / GIB:.2f} GiB of {case.budget_bytes / GIB:.2f} GiB, context included"


def _detail(found: Largest, case: Case) -> dict[str, Json]:
    return {
        "budget_bytes": case.budget_bytes,
        "context_bytes": overheads_of(case).context_bytes,
        "limited_by": found.limited_by,
        "used": _used(found.used),
        "needed": _used(found.needed),
        "proof": "replayed under the limit",
    }


def _used(replay: Replay | None) -> dict[str, int] | None:
    return None if replay is None else asdict(replay)
