from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from segbench.errors import LedgerError
from segbench.records.ledger import Entry, Ledger
from segbench.records.measurement import Measurement

PARAMETERS = Measurement("parameters", 31_038_283, "counted")


def test_what_is_appended_is_read_back(tmp_path: Path, make_entry: Callable[..., Entry]) -> None:
    book = Ledger(tmp_path / "runs")
    first, second = (
        make_entry("unet", PARAMETERS),
        make_entry("segnode", PARAMETERS, outcome="crashed", cause="SIGSEGV"),
    )
    book.append(first)
    book.append(second)
    assert book.entries() == [first, second]
    assert book.damage == []


def test_a_ledger_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert Ledger(tmp_path).entries() == []


def test_a_truncated_last_line_is_reported_and_costs_only_itself(
    tmp_path: Path, make_entry: Callable[..., Entry]
) -> None:
    book = Ledger(tmp_path)
    book.append(make_entry("unet"))
    whole = book.path.read_bytes()
    book.path.write_bytes(whole + whole[: len(whole) // 2])
    book.append(make_entry("segnode"))
    assert [entry.model for entry in book.entries()] == ["unet", "segnode"]
    assert len(book.damage) == 1
    assert "line 2" in book.damage[0]


def test_a_newer_format_is_refused(tmp_path: Path, make_entry: Callable[..., Entry]) -> None:
    book = Ledger(tmp_path)
    book.append(make_entry())
    book.path.write_text(json.dumps({**json.loads(book.path.read_text()), "format": 99}) + "\n")
    with pytest.raises(LedgerError, match="format 99"):
        book.entries()


def test_a_folder_that_cannot_be_made_is_the_users_mistake(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LedgerError, match="cannot be written"):
        Ledger(tmp_path / "file" / "runs").ensure_writable()


def test_a_full_disk_leaves_what_stood_before(tmp_path: Path, make_entry: Callable[..., Entry]) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full on this system")
    book = Ledger(tmp_path)
    book.append(make_entry("unet"))
    before = book.path.read_bytes()
    book._write = lambda *_: full.write_bytes(b"x" * 10_000)  # type: ignore[method-assign,assignment,return-value]
    with pytest.raises(LedgerError, match="No space left"):
        book.append(make_entry("segnode"))
    assert book.path.read_bytes() == before
