"""Sets of operators that are asked for at every operator of a trace."""

from __future__ import annotations

from typing import Any


def by_identity(*operators: Any) -> frozenset[int]:
    """The operators by `id`: each is one object for good, and hashing it itself is a call into Python."""
    return frozenset(id(operator) for operator in operators)
