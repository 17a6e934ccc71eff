"""A report's folder as evidence: the ledger, command and environment beside what was made of them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from segbench.cells.places import publishable
from segbench.errors import UserError
from segbench.present.files import TEXT, write_report
from segbench.records.damaged import made_of_readable
from segbench.records.ledger import Entry, Ledger
from segbench.studies.report import report_of

LEDGER, COMMAND, ENVIRONMENT = "ledger.jsonl", "command.txt", "environment.json"


def read_entries(ledgers: Sequence[Path], note: Callable[[str], object] = lambda _: None) -> list[Entry]:
    """The entries of all ledgers in the order finished, each once.

    Args:
        note: hears of lines that could not be read.

    Raises:
        UserError: a ledger that is not there or is empty.
    """
    found: dict[tuple[str, str, str], Entry] = {}
    for place in ledgers:
        book = Ledger(place)
        entries = book.entries()
        for sentence in book.damage:
            note(sentence)
        if not entries:
            there = "is empty" if book.path.is_file() else "is not there"
            raise UserError(f"the ledger {book.path} {there}; give a ledger's folder or file")
        found |= {(entry.run, entry.key, entry.finished): entry for entry in entries}
    return sorted(found.values(), key=lambda entry: entry.finished)


def write_evidence(
    entries: Sequence[Entry],
    folder: Path,
    title: str | None = None,
    command: str | None = None,
    note: Callable[[str], object] = lambda _: None,
) -> list[Path]:
    """Writes a report with its ledger, in place of a report that stands there.

    Args:
        title: by default the folder's name, or when remade the title of the report that stands there.
        command: what made the ledger; None: the report is remade from its own ledger alone, and both stay as they are
            (a command may be appending to that ledger right now).
        note: hears of entries that could not be understood; the report's ledger has them all the same.

    Raises:
        UserError: the folder cannot be written, or holds files that are not a report's.
    """
    said = title or (report_title(folder) if command is None else _named(folder))
    written = made_of_readable(entries, lambda kept: write_report(report_of(kept, said), folder), note)
    try:
        return [*written, *_sidecars(entries, folder, command)]
    except OSError as error:
        raise UserError(f"{error.filename or folder} cannot be written: {error.strerror}; choose -o DIR") from error


def report_title(folder: Path) -> str:
    """The title of the report that stands there, else the folder's name without its date."""
    text = folder / TEXT
    if text.is_file():
        return text.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
    return _named(folder)


def _named(folder: Path) -> str:
    """The folder's name as a title, without its date."""
    words = [word for word in re.split(r"[-_ ]", folder.resolve().name) if not word.isdigit()]
    name = " ".join(words) or "report"
    return name[0].upper() + name[1:]


def _sidecars(entries: Sequence[Entry], folder: Path, command: str | None) -> list[Path]:
    ledger, environment, said = folder / LEDGER, folder / ENVIRONMENT, folder / COMMAND
    if command is not None or not ledger.is_file():
        lines = [_published(entry).line() for entry in entries]
        fresh = ledger.with_suffix(".new")
        fresh.write_text("".join(lines), encoding="utf-8")
        fresh.replace(ledger)
    if command is not None:
        said.write_text(command + "\n", encoding="utf-8")
    environment.write_text(json.dumps(_environments(entries), indent=1) + "\n", encoding="utf-8")
    return [ledger, environment, *([said] if said.is_file() else [])]


def _published(entry: Entry) -> Entry:
    case = publishable(entry.case)
    return entry if case is entry.case else replace(entry, case=case)


def _environments(entries: Sequence[Entry]) -> list[dict[str, object]]:
    """Every environment that occurs, without what changes from cell to cell."""
    found: dict[str, dict[str, object]] = {}
    for entry in entries:
        if entry.environment is not None:
            kept = {
                name: value for name, value in entry.environment.to_json().items() if name not in ("started", "notes")
            }
            found[json.dumps(kept, sort_keys=True)] = kept
    return list(found.values())
