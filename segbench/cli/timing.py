"""What the timing commands share: the flags of the protocol, its rule, and the advice printed once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

import typer
from rich.console import Console

from segbench.cells.series import Done
from segbench.statistics.stopping import StopRule

Target = Annotated[
    float, typer.Option("--noise", help="Stop when the median is known to this share (95 % interval's half-width).")
]
RoundCount = Annotated[int, typer.Option("--rounds", help="Fresh processes a network, at least; interleaved.", min=1)]
MinRuns = Annotated[int, typer.Option("--min-runs", help="Timed calls a network, at least.", min=1)]
MaxRuns = Annotated[int, typer.Option("--max-runs", help="Timed calls a network, at most.", min=1)]
MaxSeconds = Annotated[float, typer.Option("--max-seconds", help="Time a network, at most; looked at between rounds.")]
WarmUp = Annotated[int, typer.Option("-w", "--warmup", help="Calls before the steady state is looked for.", min=0)]

USUAL = StopRule()


def stop_rule(noise: float, rounds: int, min_runs: int, max_runs: int, max_seconds: float) -> StopRule:
    """The rule that the flags mean.

    Raises:
        UserError: they contradict each other.
    """
    most = max(min_runs, max_runs) if max_runs == USUAL.max_runs else max_runs
    return StopRule(noise, rounds, min_runs, most, max_seconds)


def print_advice(done: Sequence[Done], headline: str, names: Mapping[str, str] | None = None) -> None:
    """On stderr: for every network what is doubtful about its samples and what to do, and a target that was missed.

    Args:
        headline: the quantity advised about.
        names: of the cells by key, where a network has several.
    """
    console = Console(stderr=True)
    for item in done:
        for row in item.entry.measurements:
            if row.quantity != headline or row.value is None:
                continue
            missed = [] if row.detail.get("reached", True) else [row.detail["why"]]
            for sentence in [*missed, *row.detail.get("advice", ())]:
                name = (names or {}).get(item.entry.key, item.entry.model)
                console.print(f"[yellow]{name}:[/yellow] {sentence}", highlight=False, soft_wrap=True)
