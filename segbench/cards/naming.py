"""What a network is called where several of one card stand side by side: by its arguments, and by its training."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePath

from segbench.cards.sources import read_spec
from segbench.records.ledger import CHECKPOINTS, Entry

_WEIGHTS = (".safetensors", ".pth", ".pt", ".bin")


def run_of(checkpoint: str | PurePath) -> str:
    """The training a folder or file of weights is of: `end-only` of `runs/end-only/best.safetensors`."""
    path = PurePath(checkpoint)
    if path.stem in CHECKPOINTS:
        return path.parent.name
    return path.stem if path.suffix in _WEIGHTS else path.name


def with_run(model: str, run: str) -> str:
    """`segnode-w8 end` of `end` or `segnode-w8-end`; just the network where the run says no more."""
    more = run.removeprefix(model).strip("-")
    return f"{model} {more}" if more else model


def told_apart(entries: Sequence[Entry]) -> list[Entry]:
    """The entries with what was replaced in each network's name, and with the training where there are several.

    Users' classes of one name and different text get the beginning of their hash.
    """
    texts: dict[str, set[str]] = defaultdict(set)
    for entry in filter(is_users_code, entries):
        texts[entry.model].add(entry.card_hash)
    files = {model for model, found in texts.items() if len(found) > 1}
    named = [
        replace(entry, model=f"{entry.model} #{entry.card_hash[:4]}") if entry.model in files else entry
        for entry in entries
    ]
    named = [replace(entry, model=_with_arguments(entry)) for entry in named]
    runs: dict[str, set[str]] = defaultdict(set)
    for entry in named:
        runs[entry.model].add(_run(entry))
    several = {model for model, found in runs.items() if len(found - {""}) > 1}
    return [
        replace(entry, model=with_run(entry.model, _run(entry))) if entry.model in several else entry for entry in named
    ]


def is_users_code(entry: Entry) -> bool:
    """Whether a network is a class of the user's, `net.py:Net` or `package.module:Net`, whose text may change."""
    return read_spec(entry.case.model).source in ("python file", "python module")


def _with_arguments(entry: Entry) -> str:
    if entry.case.kind.own_arguments:
        return entry.model
    return " ".join([entry.model, *(f"{name}={value}" for name, value in entry.case.arguments)])


def _run(entry: Entry) -> str:
    """The training that an entry is or judges; empty for a measurement of cost."""
    option = entry.case.kind.trained_run
    return run_of(str(getattr(entry.case.options, option))) if option else ""
