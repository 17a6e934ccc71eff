"""Evaluations of an ODE's right-hand side that are copied from the one before, of which a solve makes dozens.

Where no graph is kept, an evaluation leaves nothing but its result, and the next one of the same shapes does the same.
It is copied once two in a row did, event by event, so that what a library or a network makes at the first call is seen.
Not copied are functions that ask for a value, since they may branch by the time; that leave anything but a result of
their own, or give up what was there before. Counters are not looked for: this is for code that is known.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes

from segbench.estimate.lifetimes import Excerpt
from segbench.estimate.operators import tensors_in
from segbench.estimate.trace import StorageTrace


@dataclass(frozen=True)
class _Call:
    """What a call did.

    Attributes:
        excerpt: of the log.
        results: of each tensor that it gave, the number of its storage in the excerpt, and its layout.
        alone: it gave one tensor rather than a tuple.
    """

    excerpt: Excerpt
    results: tuple[tuple[int, torch.dtype, int, tuple[int, ...], tuple[int, ...]], ...]
    alone: bool


class RepeatedCalls:
    """Calls under a trace, which logs them, of functions of a network that `hides_nothing`."""

    def __init__(self, trace: StorageTrace) -> None:
        self._trace = trace

    def of(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, whose calls are copied where they can be."""
        return _Repeated(function, self)

    def observed(self, function: Callable[..., Any], args: Any, kwargs: Any) -> tuple[Any, _Call | None]:
        """Carries a call out; its result, and what it did, None where another call may do something else."""
        trace = self._trace
        trace.settle()
        size, asked, taken = trace.lifetimes.size, trace.asked, tensors_in((*args, *kwargs.values()))
        holders = _holders(taken)
        result = function(*args, **kwargs)
        trace.settle()
        given: list[Any] = list(result) if type(result) is tuple else [result]
        by_shapes = trace.asked == asked and all(map(self._is_plain, given))
        if not by_shapes or _holders(taken) != holders or _held_elsewhere(given):
            return result, None
        return result, self._call(size, given, isinstance(result, Tensor))

    def _call(self, size: tuple[int, int], given: list[Tensor], alone: bool) -> _Call | None:
        """What was done since the log had this size; None where more is left of it than what was given."""
        excerpt = self._trace.lifetimes.since(size)
        numbers = [(self._trace.lifetimes.number(tensor) or 0) - size[1] for tensor in given]
        if excerpt is None or excerpt.left != set(numbers):
            return None
        layouts = (
            (number, tensor.dtype, int(tensor.storage_offset()), tuple(tensor.shape), tensor.stride())
            for number, tensor in zip(numbers, given, strict=True)
        )
        return _Call(excerpt, tuple(layouts), alone)

    def again(self, call: _Call) -> Any:
        """The result of another such call, of which nothing runs."""
        self._trace.settle()
        first = self._trace.lifetimes.repeat(call.excerpt)
        with _disable_current_modes():
            storages = {
                number: torch.empty(call.excerpt.records[number].bytes, dtype=torch.uint8, device="meta")
                for number in call.excerpt.left
            }
            tensors = tuple(
                torch.empty(0, dtype=dtype, device="meta").set_(storages[number].untyped_storage(), *layout)
                for number, dtype, *layout in call.results
            )
            for number, storage in storages.items():
                self._trace.lifetimes.watch(storage.untyped_storage(), first + number)
        return tensors[0] if call.alone else tensors

    def _is_plain(self, item: Any) -> bool:
        plain = isinstance(item, Tensor) and item.is_meta and item.layout is torch.strided and not item.requires_grad
        return plain and not item.is_conj() and not self._trace.mirrors.know((item,))


class _Repeated:
    """A function of a solve, with whatever attributes it has."""

    def __init__(self, function: Callable[..., Any], calls: RepeatedCalls) -> None:
        self._function, self._calls = function, calls
        self._last: dict[Hashable, _Call | None] = {}
        self._alike: dict[Hashable, _Call] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._function, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if torch.is_grad_enabled():
            return self._function(*args, **kwargs)
        key = _likeness((*args, *kwargs.items()))
        if key in self._alike:
            return self._calls.again(self._alike[key])
        result, call = self._calls.observed(self._function, args, kwargs)
        if call is not None and call == self._last.get(key):
            self._alike[key] = call
        self._last[key] = call
        return result


def _holders(tensors: list[Tensor]) -> list[tuple[int, int]]:
    """How many refer to each tensor, and how many tensors there are on its storage."""
    return [(sys.getrefcount(tensor), _tensors_on(tensor.untyped_storage())) for tensor in tensors]


def _tensors_on(storage: torch.UntypedStorage) -> int:
    return torch._C._storage_Use_Count(storage._cdata) - 1


def _held_elsewhere(given: list[Tensor]) -> bool:
    """Whether anybody but whoever called holds a result, or another tensor on its storage."""
    sole = object()
    held = [sole]  # as `given` holds its tensors, which one other name refers to
    if max(map(sys.getrefcount, given), default=0) > max(map(sys.getrefcount, held)):
        return True
    storages = Counter(tensor.untyped_storage() for tensor in given)
    return any(_tensors_on(storage) > tensors for storage, tensors in storages.items())


def _likeness(item: Any) -> Hashable:
    """What calls have in common whose arguments differ in the values of tensors only."""
    if isinstance(item, Tensor):
        return item.shape, item.stride(), item.dtype, item.device, item.requires_grad
    if isinstance(item, (list, tuple)):
        return tuple(map(_likeness, item))
    return item if isinstance(item, Hashable) else id(item)
