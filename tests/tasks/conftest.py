"""A reporter that keeps what a task tells."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from segbench.records.measurement import Measurement


@dataclass
class Collected:
    rows: dict[str, Measurement] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def measured(self, measurement: Measurement) -> None:
        self.rows[measurement.quantity] = measurement

    def progress(self, stage: str, done: int, total: int, **extra: Any) -> None:
        pass

    def note(self, sentence: str) -> None:
        self.notes.append(sentence)


@pytest.fixture
def report() -> Collected:
    return Collected()
