"""The abstract's claims: five percentages between SegNode and HRNetV2."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from segbench.present.formats import Format
from segbench.present.table import Cell, Column, Table, keyed
from segbench.records.ledger import Entry
from segbench.records.reference_model import REFERENCE_MODEL
from segbench.statistics.verdicts import OursAndPaper, judge
from segbench.studies.judging import NOT_TIMED
from segbench.studies.readings import Reading, Readings
from segbench.studies.study import Study
from segbench.studies.table2 import TABLE2_COLUMNS, steps
from segbench.studies.table2_result import obstacle_of


@dataclass(frozen=True)
class Claim:
    """One percentage.

    Attributes:
        sentence: as the paper says it.
        column: of Table 2.
        percent: the change claimed, negative for less.
        reference_needs: HRNetV2 is said to need less than SegNode, rather than the other way round.
    """

    sentence: str
    column: str
    percent: float
    reference_needs: bool = False


CLAIMS = (
    Claim("SegNode: memory for training", "train_memory", -57),
    Claim("SegNode: memory for testing", "infer_memory", -42),
    Claim("SegNode: parameters", "parameters", -68),
    Claim("HRNetV2: training time", "epoch_time", -47, reference_needs=True),
    Claim("HRNetV2: testing time", "test_time", -59, reference_needs=True),
)
"""SegNode paper, abstract and section 4.7."""

SUBJECTS = {
    "segnode-paper": "solved as in the paper",
    "segnode": "segnode, ours",
    "segnode-low-memory": "segnode-low-memory, ours",
}
"""The first gets the verdict."""

CLAIMS_STUDY = Study("claims", "The abstract's five percentages", (REFERENCE_MODEL, *SUBJECTS), steps)


def claims_table(entries: Sequence[Entry]) -> Table:
    """Claims down, networks across."""
    readings, firsts = Readings(entries), keyed({claim.column: claim.sentence for claim in CLAIMS})
    judged = next(iter(SUBJECTS))
    rows = [
        [firsts[claim.column], *(_cell(readings, claim, subject, subject == judged) for subject in SUBJECTS)]
        for claim in CLAIMS
    ]
    columns = [Column("", name="claim"), *(Column(title, _CHANGE, subject) for subject, title in SUBJECTS.items())]
    notes = ["change relative to the other of HRNetV2 and SegNode; paper: SegNode paper, abstract and section 4.7"]
    return Table("The paper's five percentages", columns, rows, notes, "claims")


_CHANGE = Format("fraction", lambda ratio: f"{100 * (ratio - 1):+.0f} %")
"""A ratio as the change it is."""


def _cell(readings: Readings, claim: Claim, subject: str, judged: bool) -> Cell:
    column = next(column for column in TABLE2_COLUMNS if column.name == claim.column)
    mine, reference = (readings.best(name, column.quantity, column.conditions) for name in (subject, REFERENCE_MODEL))
    ratio = _claimed_ratio(mine, reference, claim)
    claimed = 1 + claim.percent / 100
    judgement = None
    if judged:
        obstacle = obstacle_of(column, readings)
        hindrance = next((why for item in (mine, reference) if item and (why := obstacle(item))), None)
        absence = NOT_TIMED if column.timed else "not measured"
        judgement = judge("ratio", OursAndPaper(ratio, claimed, 1.0, 1.0), hindrance, absence)
    return Cell(
        value=ratio,
        format=_CHANGE,
        paper=Cell(claimed, _CHANGE),
        judgement=judgement,
        quantity=column.quantity,
        method=mine.method if mine else "",
        conditions=mine.conditions if mine else "",
    )


def _claimed_ratio(mine: Reading | None, reference: Reading | None, claim: Claim) -> float | None:
    if mine is None or reference is None:
        return None
    return reference.value / mine.value if claim.reference_needs else mine.value / reference.value
