"""Figures 3 and 4 of the paper: segmentation along the solver's time, and the mIoU drop at half of the time."""

from __future__ import annotations

from collections.abc import Sequence

from segbench.present.formats import Format
from segbench.present.table import Cell, Column, Table
from segbench.present.trajectory_points import half, labels_of, points_of
from segbench.records.ledger import Entry
from segbench.records.options import TrajectoryOptions
from segbench.statistics.stopping import StopRule
from segbench.statistics.verdicts import OursAndPaper, judge
from segbench.studies.study import Step

PAPER_DATASET = "pascal-context"
PAPER_DROP = 0.03
"""mIoU drop for half of the time (SegNode paper, section 4.8: "3% of accuracy ... decreases by 50%"). That it
means points of mIoU is our reading."""

PICTURES = 3
"""Images whose refinement is kept, where they may be published."""

TITLE = "Figures 3 and 4: accuracy along the solver's time"

STEP = Step("accuracy, evaluations and time along the solver's time", "trajectory", modes=(("infer",),))


def trajectory_options(checkpoint: str, digest: str, rule: StopRule) -> TrajectoryOptions:
    """Of the sweep that both figures read: the solver's own grid, and pictures of a few images.

    Args:
        digest: of the weights, so that other weights are another cell.
        rule: how long the ends are timed.
    """
    return TrajectoryOptions(pictures=PICTURES, checkpoint=checkpoint, weights=digest, **rule.options())


def half_time(entries: Sequence[Entry]) -> Table:
    """The statement of section 4.8 for every trajectory of the ledger: what half of the evaluations costs."""
    own = [entry for entry in entries if entry.case.task == "trajectory" and points_of(entry)]
    rows = [
        [Cell(f"{entry.model}-{number}", label=label), _drop(entry)]
        for number, (entry, label) in enumerate(zip(own, labels_of(own), strict=True))
    ]
    notes = [
        "mIoU at the end time T minus mIoU at the earlier end time whose evaluations of f are nearest to half of the "
        "whole solve's; paper: section 4.8"
    ]
    columns = [Column(""), Column("points", _POINTS, "drop")]
    return Table("mIoU drop at half of the evaluations", columns, rows, notes, "half_time")


_POINTS = Format("fraction", lambda drop: f"{100 * drop:.2f}")


def _drop(entry: Entry) -> Cell:
    point = half(points_of(entry))
    value = point.value("miou_drop") if point else None
    dataset = (entry.case.dataset or "").partition(":")[0].removesuffix("-59")
    obstacle = None if dataset == PAPER_DATASET else f"on {dataset}; the paper's is on {PAPER_DATASET}"
    absence = "no end time takes fewer evaluations"
    interval = point.interval("miou_drop") if point else None
    spread = f", 95 % {100 * interval[0]:.2f} to {100 * interval[1]:.2f}" if interval else ""
    return Cell(
        value=value,
        format=_POINTS,
        paper=Cell(PAPER_DROP, label=f"about {100 * PAPER_DROP:g}"),
        judgement=judge("accuracy", OursAndPaper(value, PAPER_DROP, 1.0, 1.0), obstacle, absence),
        quantity="miou_drop",
        method=point.rows["miou_drop"].method if point and value is not None else "",
        conditions=f"{point.label}{spread}" if point else "",
    )
