"""Every study by name, and what each shows of a ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from segbench.cards.card import ModelCard
from segbench.cards.model import find_model
from segbench.errors import UnknownName, UserError
from segbench.present.table import Table
from segbench.records.ledger import Entry
from segbench.studies.claims import CLAIMS_STUDY, claims_table
from segbench.studies.figures import half_time
from segbench.studies.study import Study
from segbench.studies.table1 import TABLE1, table1
from segbench.studies.table1 import TABLE1_ROWS as TABLE1_ROWS
from segbench.studies.table2 import TABLE2
from segbench.studies.table2_result import memory_definitions, table2, time_floors

STUDIES: dict[str, Study] = {study.name: study for study in (TABLE2, CLAIMS_STUDY, TABLE1)}
FIGURE_NAMES = ("fig3", "fig4")
STUDY_NAMES = (*STUDIES, *FIGURE_NAMES, "all")


@dataclass(frozen=True)
class Findings:
    """What a ledger says about the paper.

    Attributes:
        judged: tables beside the paper.
        tables: what explains them.
    """

    judged: tuple[Table, ...] = ()
    tables: tuple[Table, ...] = ()


def studies_named(name: str) -> tuple[str, ...]:
    """The studies and figures that a name stands for.

    Raises:
        UnknownName: none.
    """
    if name not in STUDY_NAMES:
        raise UnknownName("study", name, STUDY_NAMES)
    return STUDY_NAMES[:-1] if name == "all" else (name,)


def findings(names: Sequence[str], entries: Sequence[Entry]) -> Findings:
    """The tables of the studies, from whatever the ledger holds."""
    judged: list[Table] = []
    tables: list[Table] = []
    if "table2" in names:
        judged.append(table2(entries, paper_cards()))
        floors = time_floors(entries, paper_cards())
        tables += [*memory_definitions(entries, paper_cards()), *([floors] if floors else [])]
    if "claims" in names:
        judged.append(claims_table(entries))
    if "table1" in names:
        judged.append(table1(entries, paper_cards()))
    if set(names) & set(FIGURE_NAMES):
        judged.append(half_time(entries))
    return Findings(tuple(judged), tuple(tables))


def paper_cards() -> dict[str, ModelCard]:
    """Of every network that a row of the paper's tables, or a row beside them, stands for."""

    names = [*TABLE2.models, *(card for _, card in TABLE1_ROWS.values() if card)]
    return {name: find_model(name).card for name in names}


def cards_of(entries: Sequence[Entry]) -> dict[str, ModelCard]:
    """The cards of a ledger's networks as far as they are in the catalogue; a user's own are not."""
    found = {}
    for name in dict.fromkeys(entry.model for entry in entries):
        try:
            found[name] = find_model(name).card
        except UserError:  # a shortened name may not even be readable
            continue
    return found
