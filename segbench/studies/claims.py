"""The abstract's claims: five percentages between SegNode and HRNetV2."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from segbench.present.amounts import MISSING
from segbench.present.judged import JudgedCell, JudgedTable
from segbench.records.ledger import Entry
from segbench.records.reference_model import REFERENCE_MODEL
from segbench.statistics.verdicts import OursAndPaper, judge
from segbench.studies.judging import NOT_TIMED
from segbench.studies.readings import Reading, reading
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
        rival_needs: HRNetV2 is said to need less than SegNode, rather than the other way round.
    """

    sentence: str
    column: str
    percent: float
    rival_needs: bool = False


CLAIMS = (
    Claim("SegNode: memory for training", "train_memory", -57),
    Claim("SegNode: memory for testing", "infer_memory", -42),
    Claim("SegNode: parameters", "parameters", -68),
    Claim("HRNetV2: training time", "epoch_time", -47, rival_needs=True),
    Claim("HRNetV2: testing time", "test_time", -59, rival_needs=True),
)
"""SegNode paper, abstract and section 4.7."""

SUBJECTS = {
    "segnode-paper": "solved as in the paper",
    "segnode": "segnode, ours",
    "segnode-low-memory": "segnode-low-memory, ours",
}
"""The first gets the verdict."""

CLAIMS_STUDY = Study("claims", "The abstract's five percentages", (REFERENCE_MODEL, *SUBJECTS), steps)


def claims_table(entries: Sequence[Entry]) -> JudgedTable:
    """Claims down, networks across."""
    cells = {
        (claim.column, subject): _cell(entries, claim, subject, judged=subject == next(iter(SUBJECTS)))
        for claim in CLAIMS
        for subject in SUBJECTS
    }
    rows = {claim.column: claim.sentence for claim in CLAIMS}
    notes = ["change relative to the other of HRNetV2 and SegNode; paper: SegNode paper, abstract and section 4.7"]
    return JudgedTable("claims", "The paper's five percentages", rows, SUBJECTS, cells, notes=notes)


def _cell(entries: Sequence[Entry], claim: Claim, subject: str, judged: bool) -> JudgedCell:
    column = next(column for column in TABLE2_COLUMNS if column.name == claim.column)
    mine, rival = (reading(entries, name, column.quantity, column.conditions) for name in (subject, REFERENCE_MODEL))
    ratio = _claimed_ratio(mine, rival, claim)
    claimed = 1 + claim.percent / 100
    judgement = None
    if judged:
        obstacle = obstacle_of(column, entries)
        hindrance = next((why for item in (mine, rival) if item and (why := obstacle(item))), None)
        absence = NOT_TIMED if column.timed else "not measured"
        judgement = judge("ratio", OursAndPaper(ratio, claimed, 1.0, 1.0), hindrance, absence)
    return JudgedCell(
        value=ratio,
        paper_value=claimed,
        unit="fraction",
        ours=MISSING if ratio is None else f"{100 * (ratio - 1):+.0f} %",
        paper=f"{claim.percent:+.0f} %",
        judgement=judgement,
        quantity=column.quantity,
        method=mine.method if mine else "",
        conditions=mine.conditions if mine else "",
    )


def _claimed_ratio(mine: Reading | None, rival: Reading | None, claim: Claim) -> float | None:
    if mine is None or rival is None:
        return None
    return rival.value / mine.value if claim.rival_needs else mine.value / rival.value
