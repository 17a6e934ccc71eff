"""What a user writes to name rows of a ledger: a path, a network, a run, or conditions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from segbench.errors import UnknownName, UserError
from segbench.records.ledger import Entry, Ledger
from segbench.statistics.fairness import conditions


def select(text: str, ledger: Path) -> list[Entry]:
    """The entries that `text` names, oldest first.

    `other-runs`, `other-runs@segnode`: a ledger's folder or file, whole or in part. In `ledger` itself: `segnode` (a
    network), `20261121-1015` (a run, or its beginning), `last`, `last-1` (the latest run and the one before it), or
    conditions joined by commas: `segnode,precision=bf16,width=480`.

    Raises:
        UserError: no such ledger, or nothing in it is of that kind; says what there is.
    """
    place, at, rest = text.partition("@")
    if at or text.endswith(".jsonl") or _is_ledger(Path(text)):
        ledger, text = Path(place), rest
    entries = _entries(ledger)
    for word in filter(None, (part.strip() for part in text.split(","))):
        entries = _narrowed(entries, word)
    return entries


def runs_of(entries: Sequence[Entry]) -> list[str]:
    """The runs of the entries, oldest first."""
    return list(dict.fromkeys(entry.run for entry in entries))


def _is_ledger(path: Path) -> bool:
    return Ledger(path).path.is_file()


def _entries(ledger: Path) -> list[Entry]:
    book = Ledger(ledger)
    if not book.path.is_file():
        raise UserError(f"there is no ledger at {book.path}; measure something first, or give --ledger DIR")
    entries = book.entries()
    tell_damage(book)
    if not entries:
        raise UserError(f"the ledger {book.path} is empty")
    return entries


def tell_damage(book: Ledger) -> None:
    """Says on stderr which lines of a ledger that was read are no records."""
    for sentence in book.damage:
        Console(stderr=True).print(f"[yellow]note:[/yellow] {escape(sentence)}", highlight=False, soft_wrap=True)


def _narrowed(entries: list[Entry], word: str) -> list[Entry]:
    name, equals, value = word.partition("=")
    if equals:
        return _with_condition(entries, name, value)
    runs, models = runs_of(entries), {entry.model for entry in entries}
    if word in models:
        return [entry for entry in entries if entry.model == word]
    if match := re.fullmatch(r"last(?:-(\d+))?", word):
        back = int(match[1] or 0)
        if back >= len(runs):
            raise UserError(f"{word!r}: there are only {len(runs)} runs")
        return [entry for entry in entries if entry.run == runs[-1 - back]]
    found = [entry for entry in entries if word[:1].isdigit() and entry.run.startswith(word)]
    if not found:
        raise UnknownName("network or run", word, {*models, *runs, "last"}, "or write conditions, as in precision=bf16")
    return found


def _with_condition(entries: list[Entry], name: str, value: str) -> list[Entry]:
    known = {key.removeprefix("argument ").removeprefix("option ") for entry in entries for key in conditions(entry)}
    if name not in known:
        raise UnknownName("condition", name, known)
    kept, seen = [], set()
    for entry in entries:
        found = conditions(entry)
        has = next((found[key] for key in (name, f"argument {name}", f"option {name}") if key in found), None)
        seen.add(_written(has))
        if _written(has) == value.lower():
            kept.append(entry)
    if not kept:
        raise UserError(f"nothing has {name}={value}; there is {', '.join(sorted(seen))}")
    return kept


def _written(value: object) -> str:
    return "+".join(map(str, value)).lower() if isinstance(value, tuple) else str(value).lower()
