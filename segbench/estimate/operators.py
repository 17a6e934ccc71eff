"""Operators, and the tensors they are given, as a trace asks for them at every call."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch


def by_identity(*operators: Any) -> frozenset[int]:
    """The operators by `id`: each is one object for good, and hashing it itself is a call into Python."""
    return frozenset(id(operator) for operator in operators)


def tensors_in(items: Iterable[Any]) -> list[torch.Tensor]:
    """All tensors in nested lists and tuples, in order."""
    found: list[torch.Tensor] = []
    for item in items:
        if isinstance(item, torch.Tensor):
            found.append(item)
        elif isinstance(item, (list, tuple)):
            found += tensors_in(item)
    return found
