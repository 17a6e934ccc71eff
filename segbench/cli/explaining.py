"""`memory --explain`, `--plot` and `--export-snapshot`: what a prediction knows beyond its peak."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from segbench.cells.cell import Runner, run_in_child
from segbench.cells.series import Done
from segbench.cli.predicting import Assumed
from segbench.errors import UserError
from segbench.present.explain import explain_sheets
from segbench.present.table import Table
from segbench.present.timeline import plot_timelines
from segbench.records.case import Case

Explain = Annotated[bool, typer.Option("--explain", help="Predicted: roles, modules and tensors at the peak.")]
Plot = Annotated[Path | None, typer.Option("--plot", help="Predicted: bytes by role over the step, as FILE.svg.")]
Snapshot = Annotated[
    Path | None,
    typer.Option("--export-snapshot", help="Predicted: the step for the viewer at pytorch.org/memory_viz."),
]
FIGURE_SUFFIXES = (".svg", ".png", ".pdf")


@dataclass(frozen=True)
class Explanation:
    """What is wanted beside the table.

    Attributes:
        assumed: what the prediction takes for granted.
    """

    explain: bool
    plot: Path | None
    snapshot: Path | None
    assumed: Assumed

    def prepare(self, case: Case) -> Case:
        """The case with what the prediction must know; a case that is measured is left as it is.

        Raises:
            UserError: an explanation of a measurement, or a figure of unknown kind.
        """
        if case.device != "none":
            if self.explain or self.plot or self.snapshot:
                raise UserError("--explain, --plot and --export-snapshot explain predictions; add --device none")
            return case
        if self.plot is not None and self.plot.suffix not in FIGURE_SUFFIXES:
            raise UserError(f"--plot {self.plot} must end in {', '.join(FIGURE_SUFFIXES)}")
        case = self.assumed.in_case(case)
        return case.with_options(timeline=True) if self.plot else case

    def cost(self, done: Sequence[Done]) -> str:
        """What was taken for granted and how long it took, in one clause."""
        context = f"a context of {self.assumed.context} is added to the process only"
        return f"predicted in {sum(item.entry.seconds for item in done):.1f} s, {context}"

    def sheets(self, done: Sequence[Done]) -> list[Table]:
        """The tables of `--explain`."""
        return explain_sheets([item.entry for item in done]) if self.explain else []

    def write(self, done: Sequence[Done], timeout_s: float, run: Runner = run_in_child) -> None:
        """Writes the figure and the snapshots, and says so on stderr.

        Raises:
            UserError: one of them cannot be written; the measurements stay in the ledger.
        """
        console = Console(stderr=True)
        if self.plot is not None:
            plot_timelines([item.entry for item in done], self.plot)
            console.print(f"wrote {self.plot}", highlight=False)
        if self.snapshot is not None:
            for path, cause in _write_snapshots(done, self.snapshot, timeout_s, run):
                if cause is not None:
                    raise UserError(f"{path} cannot be written: {cause}")
                console.print(f"wrote {path}", highlight=False)


def _write_snapshots(
    done: Sequence[Done], wanted: Path, timeout_s: float, run: Runner
) -> list[tuple[Path, str | None]]:
    """One file a network and mode; several get names of their own. Each with the reason if it could not be written."""
    answered = [item.entry for item in done if item.entry.outcome == "ok"]
    paths = [
        wanted
        if len(answered) == 1
        else wanted.with_stem(f"{wanted.stem}-{entry.model.replace(':', '-')}-{entry.case.modes[0]}")
        for entry in answered
    ]
    cases = [
        replace(entry.case, task="snapshot").with_options(path=str(path.absolute()))
        for entry, path in zip(answered, paths, strict=True)
    ]
    results = run("snapshot", cases, timeout_s, lambda *_: None)
    return [(path, result.cause) for path, result in zip(paths, results, strict=True)]
