from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from segbench.errors import UserError
from segbench.present.export import Exports, as_csv, as_json, write_exports
from segbench.present.table import table_of
from segbench.records.rows import EXPORT_COLUMNS

ROW = {
    **dict.fromkeys(EXPORT_COLUMNS),
    "model": "unet",
    "quantity": "parameters",
    "value": 7,
    "cause": 'says "no", twice',
}
TABLE = table_of("Peak memory", ["network", "peak"], [["unet", "1 GiB"]])


def test_csv_has_the_columns_in_order_and_survives_quotes() -> None:
    read = list(csv.DictReader(io.StringIO(as_csv([ROW]))))
    assert list(read[0]) == EXPORT_COLUMNS
    assert read[0]["cause"] == ROW["cause"]
    assert read[0]["spread_low"] == ""


def test_json_keeps_numbers_and_nulls() -> None:
    (row,) = json.loads(as_json([ROW]))
    assert (row["value"], row["spread_low"]) == (7, None)


def test_every_file_asked_for_is_written(tmp_path: Path) -> None:
    exports = Exports(tmp_path / "a.csv", tmp_path / "new" / "a.json", tmp_path / "a.md")
    assert write_exports(exports, [ROW], [TABLE]) == [exports.csv, exports.json, exports.markdown]
    assert (tmp_path / "new" / "a.json").is_file()


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the ledger has every number"):
        write_exports(Exports(csv=tmp_path), [ROW], [TABLE])
