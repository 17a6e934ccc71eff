"""The ledger: one JSON line a finished cell, appended under a lock and flushed to the disk before it counts.

Format history (`format` in every line; a reader accepts all that came before it):
    1 (0.1.0): run, key, model, card_hash, arguments, case, environment, outcome, cause, measurements, seconds,
        finished.
    2 (0.2.0): case.options is an object; in 1 it was a list of pairs. A cell that raised has its traceback.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import ClassVar, NoReturn

from filelock import FileLock
from pydantic import ConfigDict, TypeAdapter, ValidationError

from segbench.errors import LedgerError, UserError
from segbench.records.case import Case, Json
from segbench.records.environment import Environment
from segbench.records.measurement import ANSWERS, OUTCOMES, Measurement
from segbench.records.shapes import AS_RECORDED, require_shape
from segbench.records.text import encodable

LEDGER_FORMAT = 2
DEFAULT_LEDGER = Path("segbench-runs")
CHECKPOINTS = ("best", "last", "previous")
"""What a training calls its checkpoints: the folder's name tells more."""
_FILE_NAME = "ledger.jsonl"
_SURROGATE = b"\\ud"
"""How JSON writes half a character; a ledger of 0.2.0 may hold one of a file's name that is not UTF-8."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What one cell left behind.

    Attributes:
        run: the command that asked, as `20261121-101500-ab12`; a command that had finished starts a new one.
        key: the resume key of the case on this kind of machine.
        model: the name shown; `case.model` is what a child needs to find it.
        arguments: the builder's, as the card and the case together set them.
        environment: None where the child died before it could tell.
        seconds: what the cell took, start of the process included.
        finished: when, ISO 8601 in UTC.
        traceback: of what a failed cell raised, without folders of this machine.
    """

    run: str
    key: str
    model: str
    card_hash: str
    arguments: Mapping[str, Json]
    case: Case
    environment: Environment | None
    outcome: str
    cause: str | None
    measurements: tuple[Measurement, ...]
    seconds: float
    finished: str
    traceback: str = ""

    __pydantic_config__: ClassVar[ConfigDict] = AS_RECORDED

    @property
    def answered(self) -> bool:
        """Whether the cell answered its question, so that it need not be measured again."""
        return self.outcome in ANSWERS

    def to_json(self) -> dict[str, Json]:
        """What a line of the ledger holds; every text in it can be written as UTF-8."""
        return {name: encodable(value) for name, value in self._told().items()}

    def line(self) -> str:
        """`to_json` as a line of a ledger."""
        text = json.dumps(self._told(), separators=(",", ":"), allow_nan=False)
        if _SURROGATE.decode() in text:  # half a character, or a whole one of two halves
            text = json.dumps(self.to_json(), separators=(",", ":"), allow_nan=False)
        return text + "\n"

    def _told(self) -> dict[str, Json]:
        return {
            "format": LEDGER_FORMAT,
            "run": self.run,
            "key": self.key,
            "model": self.model,
            "card_hash": self.card_hash,
            "arguments": dict(self.arguments),
            "case": self.case.to_json(),
            "environment": self.environment.to_json() if self.environment else None,
            "outcome": self.outcome,
            "cause": self.cause,
            "measurements": [item.to_json() for item in self.measurements],
            "seconds": round(self.seconds, 3),
            "finished": self.finished,
            **({"traceback": self.traceback} if self.traceback else {}),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Json]) -> Entry:
        """Inverse of `to_json`, of any format.

        Raises:
            KeyError, TypeError, ValueError, UserError: not a record, or one of things this version does not know.
        """
        entry = cls._of(data)
        for record in (entry, entry.case, *filter(None, [entry.environment]), *entry.measurements):
            require_shape(record)
        if entry.outcome not in OUTCOMES:
            raise ValueError(f"no outcome {entry.outcome!r}")
        return entry

    @classmethod
    def _of(cls, data: Mapping[str, Json]) -> Entry:
        environment = data.get("environment")
        return cls(
            run=data["run"],
            key=data["key"],
            model=data["model"],
            card_hash=data["card_hash"],
            arguments=data["arguments"],
            case=Case.from_json(data["case"]),
            environment=Environment.from_json(environment) if environment else None,
            outcome=data["outcome"],
            cause=data.get("cause"),
            measurements=tuple(Measurement.from_json(item) for item in data["measurements"]),
            seconds=data.get("seconds", 0.0),
            finished=data.get("finished", ""),
            traceback=data.get("traceback", ""),
        )


class Ledger:
    """A folder with `ledger.jsonl`; several processes may append to it at once.

    Args:
        folder: created on the first append; a path that ends in `.jsonl` is taken as the file itself.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder if folder.suffix == ".jsonl" else folder / _FILE_NAME
        self.damage: list[str] = []
        """Sentences about lines that could not be read, one a kind, filled by `entries`."""

    def ensure_writable(self) -> None:
        """Fails before anything is measured rather than after.

        Raises:
            LedgerError: the folder cannot be made or the file cannot be opened for appending.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab"):
                pass
        except OSError as error:
            raise LedgerError(f"ledger {self.path} cannot be written: {error.strerror}; choose --ledger DIR") from error

    def append(self, entry: Entry) -> None:
        """Adds one line; after it returns the line is on the disk.

        A line that a killed writer left unfinished is closed first, so that it costs only itself.

        Raises:
            LedgerError: the disk is full or the file cannot be written; what stood before is untouched.
        """
        line = entry.line()
        self.ensure_writable()
        # Unbuffered: a buffer that met a full disk would try again on truncation and on closing.
        with FileLock(f"{self.path}.lock"), self.path.open("r+b", buffering=0) as file:
            end = file.seek(0, os.SEEK_END)
            try:
                self._write(file, end, line)
            except OSError as error:
                file.truncate(end)
                raise LedgerError(f"ledger {self.path} cannot take another row: {error.strerror}") from error

    def _write(self, file: FileIO, end: int, line: str) -> None:
        if end:
            file.seek(end - 1)
            if file.read(1) != b"\n":
                line = "\n" + line
        rest = line.encode()
        while rest:  # a disk that is nearly full takes part of a write
            rest = rest[file.write(rest) :]
        os.fsync(file.fileno())

    def entries(self) -> list[Entry]:
        """Every readable entry, oldest first; lines that cannot be read are counted in `damage` and stay in the file.

        Raises:
            LedgerError: the file cannot be read at all.
        """
        try:
            with without_collection():
                return list(self._read())
        except OSError as error:
            raise LedgerError(f"ledger {self.path} cannot be read: {error.strerror}") from error

    def _read(self) -> Iterator[Entry]:
        skipped: dict[str, list[int]] = {}
        self.damage = []
        if not self.path.is_file():
            return
        with self.path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                try:
                    yield _read_line(line)
                except _Skipped as reason:
                    skipped.setdefault(str(reason), []).append(number)
        self.damage = [f"{self.path}, {_lines(numbers)}: {reason}; skipped" for reason, numbers in skipped.items()]


class _Skipped(Exception):
    """Why a line is no entry; the same words for all lines of one kind."""


@contextlib.contextmanager
def without_collection() -> Iterator[None]:
    """Objects that all stay alive need not be searched for cycles again and again: a third of the time."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.freeze()
            gc.unfreeze()  # both: everything counts as old, and is not searched at once
            gc.enable()


_PLAIN = f'{{"format":{LEDGER_FORMAT},'.encode()
_UNUSUAL = tuple(re.compile(word).search for word in (rb"\\ud", b"NaN", b"Infinity"))
"""What pydantic and `json` read differently; one expression of all three takes four times as long."""


def _read_line(line: bytes) -> Entry:
    """Raises:
    _Skipped: anything but an entry of this format or an earlier one.
    """
    return _read_plain(line) or _read_any(line)


def _read_plain(line: bytes) -> Entry | None:
    """A line as this version writes it, by pydantic's parser, ten times as fast; None for any other."""
    if not line.startswith(_PLAIN) or any(found(line) for found in _UNUSUAL):
        return None
    try:
        entry = _parser().validate_json(line)
    except (ValidationError, ValueError, TypeError, UserError):
        return None  # whoever reads any line says why
    return entry if entry.outcome in OUTCOMES else None


@functools.cache
def _parser() -> TypeAdapter[Entry]:
    return TypeAdapter(Entry)


def _read_any(line: bytes) -> Entry:
    """Of any format, with the reason why a line is no entry.

    Raises:
        _Skipped: the reason.
    """
    try:
        data = json.loads(line, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise _Skipped("not a whole record (a killed writer?)") from None
    if _is_newer(data):
        raise _Skipped(f"of format {data['format']}, this segbench reads up to {LEDGER_FORMAT} (upgrade it)")
    try:
        return Entry.from_json(encodable(data) if _SURROGATE in line else data)
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError, UserError):
        raise _Skipped("not a record that this segbench knows (another version's, or edited?)") from None


def _is_newer(data: Json) -> bool:
    return isinstance(data, dict) and isinstance(data.get("format"), int) and data["format"] > LEDGER_FORMAT


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _lines(numbers: Sequence[int]) -> str:
    """`line 4`, `3 lines (4, 7, 9)`, `12 lines (4, 7, 9, ...)`."""
    if len(numbers) == 1:
        return f"line {numbers[0]}"
    first = ", ".join(map(str, numbers[:3]))
    return f"{len(numbers)} lines ({first}{', ...' if len(numbers) > 3 else ''})"
