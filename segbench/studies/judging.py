"""Sets what a ledger holds beside the paper: one judged cell for every network and column, and the columns' orders."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from segbench.cards.card import ModelCard, Reference
from segbench.present.formats import Format
from segbench.present.table import Cell
from segbench.records.quantities import quantity
from segbench.records.reference_model import REFERENCE_MODEL
from segbench.statistics.verdicts import Judgement, Ordering, OursAndPaper, judge, judge_order
from segbench.studies.published import in_printed_unit, published_cell, published_reference, raw_value
from segbench.studies.readings import Reading, Readings
from segbench.studies.study import PaperColumn

Obstacle = Callable[[Reading], str | None]
"""Why a reading cannot be compared with the paper's, if it cannot."""

NOT_TIMED = "a time cannot be predicted; give --device cuda, or cpu for times of this machine"


def judged_cells(
    readings: Readings,
    cards: Mapping[str, ModelCard],
    models: Sequence[str],
    column: PaperColumn,
    obstacle: Obstacle = lambda _: None,
    judged: Sequence[str] | None = None,
) -> dict[str, Cell]:
    """A column's cells by network.

    Args:
        cards: of the networks, for the published numbers.
        obstacle: what stands in the way of a verdict.
        judged: networks that get one; None for all.
    """
    ours = {name: readings.best(name, column.quantity, column.conditions) for name in (*models, REFERENCE_MODEL)}
    paper = {name: published_reference(cards[name], column.quantity) for name in (*models, REFERENCE_MODEL)}
    cells = {}
    for name in models:
        sides = (ours[name], paper[name], ours[REFERENCE_MODEL], paper[REFERENCE_MODEL])
        cell = _cell(column.quantity, *sides)
        if judged is None or name in judged:
            pair = _pair(*sides)
            why_not = readings.absence(name, column.quantity, column.conditions)
            missing = why_not or (NOT_TIMED if column.timed else "not measured")
            cell = replace(cell, judgement=_judgement(name, column, pair, ours[name], obstacle, missing))
        cells[name] = cell
    return cells


def order_of(cells: Mapping[str, Cell]) -> Ordering:
    """Kendall's tau between our values and the paper's; a cell that is not comparable takes part with its own order."""
    return judge_order(
        {name: as_number(cell) for name, cell in cells.items()},
        {name: as_number(cell.paper) for name, cell in cells.items()},
    )


def as_number(cell: Cell | None) -> float | None:
    """A cell's value where it is a single number."""
    return float(cell.value) if cell and isinstance(cell.value, int | float) else None


def _judgement(
    name: str, column: PaperColumn, pair: OursAndPaper, ours: Reading | None, obstacle: Obstacle, missing: str
) -> Judgement:
    hindrance = obstacle(ours) if ours is not None else None
    if name == REFERENCE_MODEL and column.rule == "ratio" and hindrance is None:
        return _of_reference_model(pair, missing)
    return judge(column.rule, pair, hindrance, missing)


def _of_reference_model(pair: OursAndPaper, missing: str) -> Judgement:
    """The reference's ratio to itself says nothing; its absolute value counts where it agrees with the paper's."""
    found = judge("ratio", replace(pair, our_reference=1.0, paper_reference=1.0), None, missing)
    if found.verdict in ("reproduced", "missing") or not pair.ours or not pair.paper:
        return found
    apart = f"{pair.ours / pair.paper:.2f} of the paper's absolute value"
    return Judgement("not comparable", f"the reference model itself, {apart}; the column's ratios tell more")


def _pair(
    ours: Reading | None, paper: Reference | None, reference: Reading | None, paper_reference: Reference | None
) -> OursAndPaper:
    return OursAndPaper(
        ours.value if ours else None,
        raw_value(paper) if paper else None,
        reference.value if reference else None,
        raw_value(paper_reference) if paper_reference else None,
    )


def _cell(
    name: str,
    ours: Reading | None,
    paper: Reference | None,
    reference: Reading | None,
    paper_reference: Reference | None,
) -> Cell:
    pair = _pair(ours, paper, reference, paper_reference)
    like = paper or paper_reference
    return Cell(
        value=pair.ours,
        format=Format(quantity(name).unit, lambda value: in_printed_unit(value, like)),
        ratio=pair.our_ratio,
        paper=published_cell(paper, pair.paper_ratio) if paper else None,
        quantity=name,
        method=ours.method if ours else "",
        conditions=ours.conditions if ours else "",
    )
