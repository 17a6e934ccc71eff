"""What a network is called where several of one card stand side by side: by its arguments, and by its training."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePath

from segbench.records.ledger import CHECKPOINTS, Entry

_NAMED_BY_TASK = ("trajectory", "gradients")
"""Tasks that vary arguments themselves, and say so in names and columns of their own."""


def run_of(checkpoint: str | PurePath) -> str:
    """The training a file of weights comes from: `end-only` of `runs/end-only/best.safetensors`."""
    path = PurePath(checkpoint)
    return path.parent.name if path.stem in CHECKPOINTS else path.stem


def with_run(model: str, run: str) -> str:
    """`segnode-w8 end` of `end` or `segnode-w8-end`; just the network where the run says no more."""
    more = run.removeprefix(model).strip("-")
    return f"{model} {more}" if more else model


def told_apart(entries: Sequence[Entry]) -> list[Entry]:
    """The entries with what was replaced in each network's name, and with the training where there are several.

    Users' files of one name and different text get the beginning of their hash.
    """
    texts: dict[str, set[str]] = defaultdict(set)
    for entry in entries:
        texts[entry.model].add(entry.card_hash)
    files = {model for model, found in texts.items() if is_users_file(model) and len(found) > 1}
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


def is_users_file(model: str) -> bool:
    """Whether a network's name is of a file, `net.py:Net`, whose text may change."""
    return ".py:" in model


def _with_arguments(entry: Entry) -> str:
    if entry.case.task in _NAMED_BY_TASK:
        return entry.model
    return " ".join([entry.model, *(f"{name}={value}" for name, value in entry.case.arguments)])


def _run(entry: Entry) -> str:
    """The training that an entry is or judges; empty for a measurement of cost."""
    if entry.case.task == "train":
        return PurePath(str(entry.case.option("folder", ""))).name
    if entry.case.task == "evaluate":
        return run_of(str(entry.case.option("checkpoint", "")))
    return ""
