from __future__ import annotations

import gc
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from segbench.errors import LedgerError
from segbench.records import ledger
from segbench.records.ledger import Entry, Ledger, without_collection
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


def test_what_was_read_is_not_searched_for_cycles_at_once() -> None:
    with without_collection():
        read = [[] for _ in range(1000)]  # type: ignore[var-annotated]
    assert gc.isenabled()
    assert not any(item is read[-1] for item in gc.get_objects(generation=0))


def change(text: str, *path: str | int, to: object) -> str:
    """A line of a ledger with one place in it replaced."""
    data = found = json.loads(text)
    for step in path[:-1]:
        found = found[step]
    found[path[-1]] = to
    return json.dumps(data)


def lines_that_are_no_records(line: str) -> dict[str, str]:
    """What may stand in a file of JSON lines besides a record of this version."""
    task = change(line, "case", "task", to="dream")
    return {
        **{f"a {type(json.loads(text)).__name__}: {text}": text for text in ("[]", "[1]", "3", '"x"', "null", "{}")},
        **{text[:20]: text for text in ('{"format": "new"}', "nan", "{", "[" * 100_000, '{"run": NaN}', "\x00\x00")},
        "a task of later": task,
        "an option's value of later": change(
            change(task, "case", "task", to="predict"), "case", "options", to={"strategy": "pipeline"}
        ),
        "a case that is text": change(line, "case", to="memory"),
        "no width": change(line, "case", "width", to=-5),
        "a width of text": change(line, "case", "width", to="480"),
        "a network that is a list": change(line, "case", "model", to=[1]),
        "a run that is a number": change(line, "run", to=5),
        "arguments that are a list": change(line, "arguments", to=[1]),
        "an outcome of later": change(line, "outcome", to="bored"),
        "an environment that is text": change(line, "environment", to="here"),
        "measurements that are a number": change(line, "measurements", to=3),
        "a measurement that is text": change(line, "measurements", to=["a"]),
        "a quantity of later": change(line, "measurements", 0, "quantity", to="smell"),
        "a value that is text": change(line, "measurements", 0, "value", to="many"),
        "a value beyond all numbers": line.replace("31038283", "1e999"),
        "samples that are text": change(line, "measurements", 0, "samples", to=["a"]),
    }


def test_lines_that_are_no_records_are_counted_and_cost_only_themselves(
    tmp_path: Path, make_entry: Callable[..., Entry]
) -> None:
    book = Ledger(tmp_path)
    book.append(make_entry("unet", PARAMETERS))
    whole = book.path.read_text()
    strange = lines_that_are_no_records(whole.strip())
    book.path.write_text(whole + "".join(f"{line}\n" for line in strange.values()))
    with book.path.open("ab") as file:
        file.write(b"\xff\xfe\xe9\n")
    book.append(make_entry("segnode"))
    assert [entry.model for entry in book.entries()] == ["unet", "segnode"]
    counts = [re.search(r"(\d+) lines", text) for text in book.damage]
    assert sum(int(count[1]) for count in counts if count) == len(strange) + 1
    assert len(book.damage) == 2, "one sentence a kind"


def test_fields_and_options_that_a_later_version_added_are_passed_over(
    tmp_path: Path, make_entry: Callable[..., Entry]
) -> None:
    book = Ledger(tmp_path)
    book.append(make_entry("unet", PARAMETERS))
    line = change(change(book.path.read_text(), "mood", to="good"), "case", "options", to={"later": 1})
    book.path.write_text(change(line, "case", "weather", to="fair") + "\n")
    assert book.entries() == [make_entry("unet", PARAMETERS)] and book.damage == []


def test_a_line_of_a_newer_format_is_left_alone_with_the_advice_to_upgrade(
    tmp_path: Path, make_entry: Callable[..., Entry]
) -> None:
    book = Ledger(tmp_path)
    book.append(make_entry("unet"))
    newer = change(book.path.read_text(), "format", to=99)
    book.path.write_text(newer + "\n")
    book.append(make_entry("segnode"))
    assert [entry.model for entry in book.entries()] == ["segnode"]
    assert "line 1: of format 99" in book.damage[0] and "upgrade" in book.damage[0]
    assert newer in book.path.read_text()


def test_a_name_that_is_not_utf_8_is_written_and_read_escaped(tmp_path: Path, make_entry: Callable[..., Entry]) -> None:
    book = Ledger(tmp_path)
    told = replace(PARAMETERS, detail={"caf\udce9": ["val_\udce9.png"]})
    entry = make_entry("n\udce9t", told, outcome="failed", cause="val_\udce9.png: no image")
    book.append(entry)
    for line in (book.path.read_text(), json.dumps({**entry.to_json(), "cause": "val_\udce9.png: no image"}) + "\n"):
        book.path.write_text(line)
        (found,) = book.entries()
        assert found.cause == "val_\\xe9.png: no image"
        assert found.measurements[0].detail == {"caf\\xe9": ["val_\\xe9.png"]}


def test_a_ledger_that_is_not_readable_is_one_sentence(
    tmp_path: Path, make_entry: Callable[..., Entry], monkeypatch: pytest.MonkeyPatch
) -> None:
    book = Ledger(tmp_path)
    book.append(make_entry())

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(LedgerError, match="cannot be read: Permission denied"):
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


def test_the_quick_way_to_read_a_line_gives_what_the_thorough_one_gives(make_entry: Callable[..., Entry]) -> None:
    known = make_entry("unet", PARAMETERS)
    line = known.line().encode()
    assert ledger._read_plain(line) == ledger._read_any(line) == known


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"seed":0', b'"seed":"0"'),
        (b'"seconds":', b'"seconds":1e999,"x":'),
        (b'"outcome":"ok"', b'"outcome":"well"'),
        (b'"format":2', b'"format":1'),
    ],
)
def test_what_is_not_plain_is_left_to_the_thorough_way(
    make_entry: Callable[..., Entry], old: bytes, new: bytes
) -> None:
    line = make_entry("unet", PARAMETERS).line().encode()
    assert old in line and ledger._read_plain(line)
    assert ledger._read_plain(line.replace(old, new)) is None
