"""What a task tells of a network's outputs."""

from __future__ import annotations

from typing import Any

import pytest

from segbench.libraries.traits import Traits
from segbench.records.case import Case
from segbench.tasks.outputs import tell_outputs
from segbench.workload.outputs import OutputReader


class Told:
    """A reporter that keeps what it hears."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.rows: dict[str, float | None] = {}

    def note(self, text: str) -> None:
        self.notes.append(text)

    def measured(self, row: Any) -> None:
        self.rows[row.quantity] = row.value


@pytest.mark.parametrize(("modes", "count"), [(("train", "infer"), 2), (("infer",), None)])
def test_auxiliary_heads_in_a_loss_of_the_librarys_count_where_one_trains(modes: Any, count: int | None) -> None:
    told: Any = Told()
    reader = OutputReader(traits=Traits(loss="its losses", auxiliary=2))
    tell_outputs(reader, Case("memory", "net", modes=modes, aux_weight=0.3), told)
    assert told.rows.get("auxiliary_outputs") == count
    assert told.notes == (["net: trained by its losses; --aux-weight has no part in it"] if count else [])
