"""A report as data: what `segbench report` writes as Markdown, CSV, LaTeX, figures and one HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from segbench.present.figures import Figure
from segbench.present.page.adaptive_viewer import DepthView
from segbench.present.page.pareto import Pareto
from segbench.present.page.trajectory_viewer import Trajectory
from segbench.present.table import Table
from segbench.present.timeline import MemoryLine
from segbench.records.rows import Row


@dataclass(frozen=True)
class ReportReason:
    """Why numbers differ: what about, the sentence, and where it can be checked."""

    about: str
    sentence: str
    source: str


@dataclass(frozen=True)
class Report:
    """Everything a ledger tells.

    Attributes:
        lead: paragraphs under the title: what this is, on what and when it was found.
        judged: tables beside the paper.
        tables: the others.
        rows: every measurement.
        facts: name and value of what the numbers depend on: device, versions, settings.
    """

    title: str
    lead: Sequence[str]
    judged: Sequence[Table] = ()
    tables: Sequence[Table] = ()
    figures: Sequence[Figure] = ()
    reasons: Sequence[ReportReason] = ()
    pareto: Pareto = field(default_factory=Pareto)
    lines: Sequence[MemoryLine] = ()
    trajectories: Sequence[Trajectory] = ()
    depths: Sequence[DepthView] = ()
    rows: Sequence[Row] = ()
    facts: Sequence[tuple[str, str]] = ()

    @property
    def every_table(self) -> list[Table]:
        return [*self.judged, *self.tables]
