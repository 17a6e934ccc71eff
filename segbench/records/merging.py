"""Joins the entries of several ledgers: every entry once, oldest first, and a key must mean one thing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from segbench.records.case import Json
from segbench.records.ledger import Entry

_SETTINGS = ("host", "driver", "cuda", "cudnn", "threads", "switches")
"""What may differ between two entries of one key: the key holds the case, the card, the device and torch's version."""


@dataclass(frozen=True)
class Clash:
    """One key measured under different settings."""

    model: str
    task: str
    setting: str
    values: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.task} of {self.model} has {self.setting} {' and '.join(self.values)}"


def merged(*ledgers: Iterable[Entry]) -> list[Entry]:
    """Every entry of all ledgers once, by the time it was finished; the order of the ledgers does not matter."""
    found: dict[str, Entry] = {}
    for entry in (entry for ledger in ledgers for entry in ledger):
        known = found.setdefault(identity(entry), entry)
        if len(entry.key) > len(known.key):  # the copy that was kept apart
            found[identity(entry)] = entry
    return [entry for _, entry in sorted(found.items(), key=lambda pair: (pair[1].finished, pair[0]))]


def identity(entry: Entry) -> str:
    """What makes two entries the same one: all but the key, which keeping apart may have lengthened."""
    return json.dumps(replace(entry, key="").to_json(), sort_keys=True)


def clashes(entries: Sequence[Entry]) -> list[Clash]:
    """Keys whose entries were measured under different settings; one clash a key, its first setting named."""
    return [clash for group in _by_key(entries).values() if (clash := _clash(group))]


def kept_apart(entries: Sequence[Entry]) -> list[Entry]:
    """The entries with the settings in the keys that clash, so that none of them answers for another."""
    apart = {key for key, group in _by_key(entries).items() if _clash(group)}
    return [
        replace(entry, key=f"{entry.key}-{_fingerprint(entry)}") if entry.key in apart else entry for entry in entries
    ]


def _by_key(entries: Sequence[Entry]) -> dict[str, list[Entry]]:
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(entry.key, []).append(entry)
    return groups


def _clash(group: Sequence[Entry]) -> Clash | None:
    told = [_settings(entry) for entry in group if entry.environment]  # one that died early could not tell
    for name in _SETTINGS:
        values = dict.fromkeys(json.dumps(settings[name], sort_keys=True) for settings in told)
        if len(values) > 1:
            return Clash(group[0].model, group[0].case.task, name, tuple(values))
    return None


def _settings(entry: Entry) -> dict[str, Json]:
    environment = entry.environment
    return {name: getattr(environment, name) for name in _SETTINGS} if environment else {}


def _fingerprint(entry: Entry) -> str:
    return hashlib.sha256(json.dumps(_settings(entry), sort_keys=True).encode()).hexdigest()[:6]
