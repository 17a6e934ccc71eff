from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from segbench.errors import DataError, UserError
from segbench.records.case import Case, Json
from segbench.records.measurement import Measurement
from segbench.tasks.check_dataset import run


class Listener:
    """Collects what the task tells."""

    def __init__(self) -> None:
        self.rows: list[Measurement] = []
        self.steps: list[tuple[str, int, int]] = []
        self.notes: list[str] = []

    def measured(self, measurement: Measurement) -> None:
        self.rows.append(measurement)

    def progress(self, stage: str, done: int, total: int, **extra: Json) -> None:
        self.steps.append((stage, done, total))

    def note(self, sentence: str) -> None:
        self.notes.append(sentence)


def _case(**options: Json) -> Case:
    return Case("check_dataset", "", dataset="synthetic:size=32x24,count=3").with_options(**options)


def test_each_split_is_a_row_with_what_is_in_it() -> None:
    told = Listener()
    run(_case(splits=("val", "train+test")), told)
    assert [row.factors["split"] for row in told.rows] == ["val", "train+test"]
    assert [row.detail["images"] for row in told.rows] == [3, 6]
    assert told.rows[1].detail["expected"] == 640
    assert all(row.quantity == "images_per_s" and row.value for row in told.rows)
    assert told.steps[-1] == ("train+test", 6, 6)


def test_a_contact_sheet_is_drawn_where_asked(tmp_path: Path) -> None:
    page = tmp_path / "new" / "sheet.png"
    run(_case(contact_sheet=str(page)), Listener())
    with Image.open(page) as drawn:
        assert drawn.width > 1000


def test_a_page_that_cannot_be_written_is_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"sheet\.xyz cannot be written"):
        run(_case(contact_sheet=str(tmp_path / "sheet.xyz")), Listener())


def test_a_split_that_is_listed_empty_has_no_rate_but_a_cause(tmp_path: Path) -> None:
    (tmp_path / "trainannot").mkdir()
    (tmp_path / "train.txt").write_text("")
    told = Listener()
    with pytest.raises(DataError, match="no contact sheet of CamVid"):
        run(Case("check_dataset", "", dataset="camvid", data_root=str(tmp_path)).with_options(contact_sheet="x"), told)
    assert told.rows[0].value is None
    assert told.rows[0].cause == "the split is empty"
    assert not told.rows[0].detail["passed"]


def test_without_a_name_there_is_nothing_to_check() -> None:
    with pytest.raises(UserError, match="no data set to check"):
        run(Case("check_dataset", ""), Listener())
