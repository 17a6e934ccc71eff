from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from segbench.errors import UserError
from segbench.present.export import Exports, as_csv, as_json, write_exports
from segbench.present.sheet import Sheet, to_markdown
from segbench.records.rows import EXPORT_COLUMNS

ROW = {
    **dict.fromkeys(EXPORT_COLUMNS),
    "model": "unet",
    "quantity": "parameters",
    "value": 7,
    "cause": 'says "no", twice',
}
SHEET = Sheet("Peak | memory", ["network", "peak"], [["a|b", "1 GiB"]], ["on a CPU"])


def test_csv_has_the_columns_in_order_and_survives_quotes() -> None:
    read = list(csv.DictReader(io.StringIO(as_csv([ROW]))))
    assert list(read[0]) == EXPORT_COLUMNS
    assert read[0]["cause"] == ROW["cause"]
    assert read[0]["spread_low"] == ""


def test_json_keeps_numbers_and_nulls() -> None:
    (row,) = json.loads(as_json([ROW]))
    assert (row["value"], row["spread_low"]) == (7, None)


def test_markdown_escapes_what_would_break_the_table() -> None:
    assert "| a\\|b | 1 GiB |" in to_markdown(SHEET)
    assert "- on a CPU" in to_markdown(SHEET)


def test_every_file_asked_for_is_written(tmp_path: Path) -> None:
    exports = Exports(tmp_path / "a.csv", tmp_path / "new" / "a.json", tmp_path / "a.md")
    assert write_exports(exports, [ROW], [SHEET]) == [exports.csv, exports.json, exports.markdown]
    assert (tmp_path / "new" / "a.json").is_file()


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the ledger has every number"):
        write_exports(Exports(csv=tmp_path), [ROW], [SHEET])
