"""`memory --explain`, `--plot` and `--export-snapshot`: what a prediction knows beyond its peak."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from rich.console import Console
from typer import Option

from segbench.cells.jobs import Single
from segbench.cells.series import Done
from segbench.cli.flags import Group
from segbench.cli.session import Session
from segbench.errors import UserError
from segbench.present.amounts import in_bytes
from segbench.present.explain import explain_tables
from segbench.present.table import Table
from segbench.records.ledger import Entry

FIGURE_SUFFIXES = (".svg", ".png", ".pdf")


_TOLD = ("workspaces", "nfe", "attention", "strategy", "ranks", "assume_torch")
"""Assumptions, besides the context, that a table tells where they are not the usual."""


def assumed(done: Sequence[Done]) -> list[str]:
    """What the user had predictions assume, as `attention flash`."""
    given = [item.entry.case.options.given() for item in done if item.entry.case.options is not None]
    found = [f"{name.replace('_', ' ')} {values[name]}" for values in given for name in _TOLD if name in values]
    return list(dict.fromkeys(found))


@dataclass(frozen=True, kw_only=True)
class ExplainFlags(Group):
    """What is wanted beside the table."""

    panel: ClassVar[str] = "Prediction"

    explain: Annotated[bool, Option("--explain", help="Roles, modules and tensors at the peak.")] = False
    plot: Annotated[Path | None, Option("--plot", help="Bytes by role over the step, as FILE.svg.")] = None
    export_snapshot: Annotated[
        Path | None, Option("--export-snapshot", help="The step for the viewer at pytorch.org/memory_viz.")
    ] = None

    def check(self, predicted: bool) -> None:
        """Raises:
        UserError: an explanation of a measurement, or a figure of unknown kind.
        """
        if not predicted and (self.explain or self.plot or self.export_snapshot):
            raise UserError("--explain, --plot and --export-snapshot explain predictions; add --device none")
        if self.plot is not None and self.plot.suffix not in FIGURE_SUFFIXES:
            raise UserError(f"--plot {self.plot} must end in {', '.join(FIGURE_SUFFIXES)}")

    def cost(self, done: Sequence[Done], context: int) -> str:
        """What was assumed and how long it took, in one clause."""
        seconds = sum(item.entry.seconds for item in done)
        usual = f"predicted in {seconds:.1f} s, a context of {in_bytes(context)} is added to the process only"
        return ", ".join([usual, *assumed(done)])

    def tables(self, entries: Sequence[Entry]) -> list[Table]:
        """The tables of `--explain`."""
        return explain_tables(entries) if self.explain else []

    def write(self, done: Sequence[Done], session: Session, timeout_s: float) -> None:
        """Writes the figure and the snapshots, and says so on stderr.

        Raises:
            UserError: one of them cannot be written; the measurements stay in the ledger.
        """
        console = Console(stderr=True)
        if self.plot is not None:
            from segbench.present.timeline import plot_timelines  # matplotlib is slow to start

            plot_timelines([item.entry for item in done], self.plot)
            console.print(f"wrote {self.plot}", highlight=False)
        if self.export_snapshot is not None:
            for path, cause in _write_snapshots(done, self.export_snapshot, session, timeout_s):
                if cause is not None:
                    raise UserError(f"{path} cannot be written: {cause}")
                console.print(f"wrote {path}", highlight=False)


def _write_snapshots(
    done: Sequence[Done], wanted: Path, session: Session, timeout_s: float
) -> list[tuple[Path, str | None]]:
    """One file a network and mode; several get names of their own. Each with the reason if it could not be written."""
    answered = [item.entry for item in done if item.entry.outcome == "ok"]
    written: list[tuple[Path, str | None]] = []
    for entry in answered:
        name = f"{wanted.stem}-{entry.model.replace(':', '-')}-{entry.case.modes[0]}"
        path = wanted if len(answered) == 1 else wanted.with_stem(name)
        case = entry.case.for_task("snapshot", options={"path": str(path.absolute())})
        (result,) = session.executor.submit(Single(case), timeout_s, lambda *_: None).result()
        written.append((path, result.cause))
    return written
