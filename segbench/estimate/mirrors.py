"""Real values of small `meta` tensors, so that time grids, tableaus and `.item()` work; an oracle for the rest.

A tensor on `meta` has no data. Whatever a program decides by the data of small tensors it made itself (an ODE solver's
times, a loop count) is still decided rightly, because each such storage has a *mirror* on the CPU and every operator on
it is carried out on the mirrors too. What depends on weights or images has no mirror: then the oracle answers, and the
answer is noted as an assumption.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import _disable_current_modes

from segbench.estimate.operators import by_identity

MOST_BYTES = 32 * 1024
"""Storages up to this are mirrored: solver tableaus and time grids are far smaller, images and features larger."""

_aten = torch.ops.aten
_WITHOUT_CONTENT = by_identity(
    _aten.empty.memory_format,
    _aten.empty_strided.default,
    _aten.empty_like.default,
    _aten.new_empty.default,
    _aten.new_empty_strided.default,
)
_OVERWRITES = by_identity(
    _aten.zero_.default,
    _aten.fill_.Scalar,
    _aten.fill_.Tensor,
    _aten.copy_.default,
    _aten.normal_.default,
    _aten.uniform_.default,
)
_LOOK_AT_NO_VALUE = by_identity(
    _aten.full_like.default,
    _aten.zeros_like.default,
    _aten.ones_like.default,
    _aten.new_zeros.default,
    _aten.new_ones.default,
    _aten.new_full.default,
)
"""They ask their argument for its shape, dtype and device only."""
_FOLDERS = (f"{Path(torch.__file__).parent}/", f"{Path(__file__).parent}/")
"""Whose lines say nothing about the program: torch's and this package's."""


def optimist(tensor: torch.Tensor) -> bool | int | float:
    """Every check passes, every ratio is one: the answer that lets a solver accept its step."""
    return True if tensor.dtype == torch.bool else 1.0 if tensor.dtype.is_floating_point else 1


class Mirrors:
    """The table of mirrored storages.

    Args:
        oracle: answers for a tensor of one element whose value nobody knows.

    Attributes:
        assumptions: how often the oracle answered, by place in the program and answer.
    """

    def __init__(self, oracle: Callable[[torch.Tensor], bool | int | float] = optimist) -> None:
        self.assumptions: Counter[str] = Counter()
        self._oracle = oracle
        self._values: dict[int, torch.UntypedStorage] = {}

    def copy(self) -> Mirrors:
        """Another table with the same values, which may change by themselves."""
        twin = Mirrors(self._oracle)
        twin.assumptions = self.assumptions.copy()
        with _disable_current_modes():  # what a trace itself does is no part of it
            twin._values = {address: value.clone() for address, value in self._values.items()}  # type: ignore[no-untyped-call]
        return twin

    def know(self, tensors: Iterable[torch.Tensor]) -> bool:
        """Whether the values of all these `meta` tensors are known."""
        return all(tensor.untyped_storage()._cdata in self._values for tensor in tensors)

    def know_before(self, function: Any, args: Sequence[Any], tensors: Sequence[torch.Tensor]) -> bool:
        """Whether the result of an operator can be known; what it overwrites wholly need not be."""
        if id(function) in _WITHOUT_CONTENT:
            return False
        if id(function) in _LOOK_AT_NO_VALUE:
            return True
        if id(function) in _OVERWRITES and tensors and tensors[0] is args[0] and _covers_its_storage(args[0]):
            return self.know(tensors[1:]) and args[0].untyped_storage().nbytes() <= MOST_BYTES
        return self.know(tensors)

    def number(self, tensor: torch.Tensor) -> bool | int | float | None:
        """The value of a tensor of one element; None if it has more, or is not known."""
        if tensor.numel() != 1 or not self.know((tensor,)):
            return None
        return self.compute(_aten._local_scalar_dense.default, (tensor,), {})  # type: ignore[no-any-return]

    def compute(self, function: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        """The operator's result on the CPU, from mirrors."""
        moved = dict(kwargs)
        if moved.get("device") is not None:
            moved["device"] = torch.device("cpu")
        if id(function) in _LOOK_AT_NO_VALUE:
            return function(_hollow(args[0]), *args[1:], **moved)
        return function(*self._values_of(args), **{name: self._value(item) for name, item in moved.items()})

    def learn(self, outputs: Sequence[torch.Tensor], values: Sequence[torch.Tensor]) -> None:
        """Remembers what new storages hold."""
        for output, value in zip(outputs, values, strict=True):
            address = output.untyped_storage()._cdata
            if address not in self._values and output.shape == value.shape:  # a shape function may err: then unknown
                self._values[address] = _laid_out_like(output, value)

    def forget(self, tensor: torch.Tensor) -> None:
        """Something unknown was written into the tensor, or its storage died."""
        self._values.pop(tensor.untyped_storage()._cdata, None)

    def forget_address(self, address: int) -> None:
        """The storage at this address died; the address may serve another one soon."""
        self._values.pop(address, None)

    def ask_oracle(self, tensor: torch.Tensor) -> bool | int | float:
        """An assumed value, noted with the line of the program that wanted it."""
        answer = self._oracle(tensor)
        self.assume(str(answer))
        return answer

    def assume(self, answer: str) -> None:
        """Notes an answer that was made up, with the line of the program that wanted it."""
        self.assumptions[f"{_asking_line()} took {answer}"] += 1

    def _values_of(self, items: Sequence[Any]) -> list[Any]:
        return [self._value(item) for item in items]

    def _value(self, item: Any) -> Any:
        if isinstance(item, (list, tuple)):
            return self._values_of(item)
        if not isinstance(item, torch.Tensor) or not item.is_meta:
            return item
        address = item.untyped_storage()._cdata
        if address not in self._values:  # about to be overwritten wholly
            self._values[address] = torch.empty(item.untyped_storage().nbytes(), dtype=torch.uint8).untyped_storage()
        view = torch.empty(0, dtype=item.dtype)
        return view.set_(self._values[address], item.storage_offset(), item.shape, item.stride())


def _hollow(tensor: torch.Tensor) -> torch.Tensor:
    """A stand-in on the CPU of the same shape, that takes one element's memory."""
    return torch.empty((), dtype=tensor.dtype).expand(tensor.shape)


def _covers_its_storage(tensor: torch.Tensor) -> bool:
    return tensor.numel() * tensor.element_size() == tensor.untyped_storage().nbytes()


def _laid_out_like(output: torch.Tensor, value: torch.Tensor) -> torch.UntypedStorage:
    """The value's storage, with the strides that `meta` chose for the output."""
    same_layout = value.stride() == output.stride() and not value.storage_offset()
    if same_layout and value.untyped_storage().nbytes() == output.untyped_storage().nbytes():
        return value.untyped_storage()
    copy = torch.empty_strided(output.shape, output.stride(), dtype=output.dtype)
    return copy.copy_(value).untyped_storage()


def _asking_line() -> str:
    """`rk_common.py:267`: the first line up the stack that is neither torch's nor this package's."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_FOLDERS):
        frame = frame.f_back
    return f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
