"""The exceptions a user may meet: each message says what was found, what is possible and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class SegbenchError(Exception):
    """Base of every error segbench raises on purpose."""


class UserError(SegbenchError):
    """The user's mistake: printed as one sentence without a traceback, exit code 2."""


class UnknownName(UserError):
    """A model, data set, quantity or option value that does not exist; names the nearest that do."""

    def __init__(self, kind: str, name: str, known: Iterable[str], advice: str = "") -> None:
        known = sorted(known)
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.6)
        hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(known) or 'none'}"
        super().__init__(f"no {kind} {name!r}; {hint}" + (f" {advice}" if advice else ""))


class CardError(UserError):
    """A model card that cannot be read, has an unknown key, or whose builder fails."""


class DataError(UserError):
    """A data set that is missing, unreadable or inconsistent; names the path and the reason."""


class LedgerError(UserError):
    """A ledger that cannot be written, or read."""


class CheckpointError(UserError):
    """A checkpoint that is missing, damaged or made for another network."""
