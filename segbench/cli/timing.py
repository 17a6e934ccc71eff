"""The advice that the timing commands print once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console

from segbench.cells.series import Done


def print_advice(done: Sequence[Done], names: Mapping[str, str] | None = None) -> None:
    """On stderr: for every network what is doubtful about its samples and what to do, and a target that was missed.

    Args:
        names: of the cells by key, where a network has several.
    """
    console = Console(stderr=True)
    for item in done:
        headline = item.entry.case.kind.rounds_about
        for row in item.entry.measurements:
            if row.quantity != headline or row.value is None:
                continue
            missed = [] if row.detail.get("reached", True) else [row.detail["why"]]
            for sentence in [*missed, *row.detail.get("advice", ())]:
                name = (names or {}).get(item.entry.key, item.entry.model)
                console.print(f"[yellow]{name}:[/yellow] {sentence}", highlight=False, soft_wrap=True)


def print_advice_on_curves(done: Sequence[Done]) -> None:
    """On stderr: what is doubtful about a curve's times, each thing once, with the number of ends it holds for."""
    console = Console(stderr=True)
    for item in done:
        about = item.entry.case.kind.rounds_about
        advice = [row.detail.get("advice", ()) for row in item.entry.measurements if row.quantity == about]
        by_remedy: dict[str, list[str]] = {}
        for sentence in (sentence for sentences in advice for sentence in sentences):
            by_remedy.setdefault(sentence.rpartition(": ")[2], []).append(sentence)
        for sentences in by_remedy.values():
            ends = f"({len(sentences)} of {len(advice)} ends)"
            console.print(
                f"[yellow]{item.entry.model}:[/yellow] {sentences[0]} {ends}", highlight=False, soft_wrap=True
            )
