"""The log of a run: one CSV row every few steps and at every validation."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

LOG = "log.csv"
"""Its name in a run's folder."""

LOG_COLUMNS = ("step", "epoch", "seconds", "lr", "loss", "images_per_s")
"""Before the scores: `seconds` is the budget's clock; `loss` the mean since the row before."""


class TrainingLog:
    """A CSV file that a continued run takes up where its checkpoint stands.

    Args:
        path: of the file.
        scores: names of the validation scores, one column each.
        after: the rows of an earlier run up to this step are kept; 0 starts afresh.
    """

    def __init__(self, path: Path, scores: Sequence[str], after: int = 0) -> None:
        self.path = path
        self._columns = (*LOG_COLUMNS, *scores)
        kept = [row for row in read_log(path) if int(row["step"]) <= after]
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}.{os.getpid()}")
        with fresh.open("w", encoding="utf-8", newline="") as file:
            rows = csv.DictWriter(file, self._columns, restval="", extrasaction="ignore")
            rows.writeheader()
            rows.writerows(kept)
        fresh.replace(path)

    def add(self, row: Mapping[str, float | int]) -> None:
        """Appends a row; scores it lacks stay empty."""
        with self.path.open("a", encoding="utf-8", newline="") as file:
            rows = csv.DictWriter(file, self._columns, restval="")
            rows.writerow({name: _short(value) for name, value in row.items()})


def read_log(path: Path) -> list[dict[str, str]]:
    """The whole rows of a log, oldest first; a last row that a killed writer left unfinished is dropped."""
    if not path.is_file():
        return []
    text = path.read_text(encoding="utf-8")
    rows = csv.DictReader(text[: text.rfind("\n") + 1].splitlines())
    return [row for row in rows if None not in row.values() and row.get("step", "").isdigit()]


def _short(value: float | int) -> str:
    return str(value) if isinstance(value, int) else f"{value:.6g}"
