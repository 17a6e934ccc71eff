"""Counts the operations of one forward pass by executing it, so that every evaluation of an ODE's f counts.

One multiply-accumulate (MAC) is two floating-point operations (FLOPs): a multiplication and an addition. Counted are
convolutions and matrix products, attention's two included; what else was executed is listed as uncounted.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch._ops import OpOverload
from torch.nn.modules import module as module_hooks
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from segbench.meters.operation_rules import macs_of, may_multiply, name_of
from segbench.workload.dtypes import require_one_dtype


@dataclass(frozen=True)
class ModuleCount:
    """What ran inside one module, its children included.

    Attributes:
        calls: forward calls; an ODE's f has as many as its solver made evaluations. 0 for a list of modules, which is
            never called itself.
    """

    name: str
    type: str
    calls: int
    macs: int


@dataclass(frozen=True)
class Operations:
    """One forward pass.

    Attributes:
        macs: by kind of operator: `convolution`, `matmul`, `attention`, `recurrent`.
        modules: in the order of their first call, the network itself (named `""`) first.
        launches: operators that start a kernel: all but views and bare allocations.
        activation_bytes: of every operator's new output.
        uncounted: operators without a rule for MACs -> calls.
        calls: calls of counted operators by kind.
        doubtful: those of `uncounted` that may hide products: they read two tensors, and not value by value, or are
            not PyTorch's own.
    """

    macs: Mapping[str, int]
    modules: tuple[ModuleCount, ...]
    launches: int
    activation_bytes: int
    uncounted: Mapping[str, int]
    calls: Mapping[str, int]
    doubtful: Mapping[str, int] = field(default_factory=dict)

    @property
    def total_macs(self) -> int:
        return sum(self.macs.values())

    @property
    def flops(self) -> int:
        return 2 * self.total_macs


def count_operations(network: nn.Module, run: Callable[[], object]) -> Operations:
    """Executes `run`, which calls the network, and counts what it does.

    Works on any device; on `meta` nothing is computed and the count is instant, but a network whose path depends on
    its data (an adaptive solver, an early exit) cannot run there.
    """
    tally = _Tally({id(part): name for name, part in network.named_modules()})
    with tally.following_modules(), _Counting(tally):
        run()
    return Operations(
        macs=dict(tally.macs),
        modules=tuple(tally.module_counts()),
        launches=tally.launches,
        activation_bytes=tally.activation_bytes,
        uncounted=dict(tally.uncounted),
        calls=dict(tally.calls),
        doubtful=dict(tally.doubtful),
    )


@dataclass
class _Tally:
    """Running sums, and the stack of modules whose forward is executing."""

    names: Mapping[int, str]
    stack: list[str] = field(default_factory=list)
    types: dict[str, str] = field(default_factory=dict)
    module_calls: Counter[str] = field(default_factory=Counter)
    module_macs: Counter[str] = field(default_factory=Counter)
    macs: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    uncounted: Counter[str] = field(default_factory=Counter)
    doubtful: Counter[str] = field(default_factory=Counter)
    launches: int = 0
    activation_bytes: int = 0

    @contextmanager
    def following_modules(self) -> Iterator[None]:
        handles = [
            module_hooks.register_module_forward_pre_hook(self._enter),
            module_hooks.register_module_forward_hook(self._leave, always_call=True),
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _enter(self, part: nn.Module, _: object) -> None:
        name = self.names.get(id(part))
        if name is None:  # made on the fly: counts for whoever called it
            return
        self.stack.append(name)
        self.types.setdefault(name, type(part).__name__)
        self.module_calls[name] += 1

    def _leave(self, part: nn.Module, *_: object) -> None:
        if id(part) in self.names:
            self.stack.pop()

    def module_counts(self) -> Iterator[ModuleCount]:
        """In the order of the first call, lists of modules before what they hold."""
        lists = self._lists()
        for name, kind in self.types.items():
            holder = name.rpartition(".")[0]
            if holder in lists:
                yield ModuleCount(holder, "list", 0, lists.pop(holder))
            yield ModuleCount(name, kind, self.module_calls[name], self.module_macs[name])

    def _lists(self) -> dict[str, int]:
        """MACs below every name that holds modules without being called."""
        found: Counter[str] = Counter()
        for name in self.types:
            holder = name.rpartition(".")[0]
            while holder and holder not in self.types:
                found[holder] += self.module_macs[name]
                holder = holder.rpartition(".")[0]
        return dict(found)

    def add(self, operator: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], output: Any) -> None:
        if _is_free(operator, (args, kwargs)):
            return
        self.launches += 1
        if not _writes_in_place(operator):
            self.activation_bytes += sum(leaf.nbytes for leaf in tree_leaves(output) if isinstance(leaf, Tensor))
        macs = macs_of(operator, args, kwargs, output)
        if macs is None:
            self._skip(operator, args)
            return
        for kind, count in macs.items():
            self.macs[kind] += count
            self.calls[kind] += 1
        for name in set(self.stack):  # a module that calls itself counts once
            self.module_macs[name] += sum(macs.values())

    def _skip(self, operator: Any, args: tuple[Any, ...]) -> None:
        name = _plain_name(operator)
        self.uncounted[name] += 1
        if may_multiply(operator, args):
            self.doubtful[name] += 1


class _Counting(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Shows the tally every operator below autograd, as it runs."""

    def __init__(self, tally: _Tally) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._tally = tally

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if _is_composite(func):  # comes whole under inference_mode; elsewhere autograd has taken it apart already
            with self:
                return func._op_dk(_COMPOSITE, *args, **kwargs)
        require_one_dtype(func, args)
        output = func(*args, **kwargs)
        self._tally.add(func, args, kwargs, output)
        return output


@functools.cache
def _is_composite(operator: Any) -> bool:
    """Not `_can_decompose`, which also knows decompositions for compilers once those are imported."""
    if not isinstance(operator, OpOverload):
        return False
    name = operator.name()  # type: ignore[no-untyped-call]
    return torch._C._dispatch_has_kernel_for_dispatch_key(name, _COMPOSITE)


_COMPOSITE = torch._C.DispatchKey.CompositeImplicitAutograd


def _is_free(operator: Any, given: Any) -> bool:
    """Whether the operator starts no kernel: it makes a view, allocates without writing, or reads no tensor at all."""
    if not isinstance(operator, OpOverload) or operator.namespace != "aten":
        return not any(isinstance(leaf, Tensor) for leaf in tree_leaves(given))
    return _only_views_or_allocates(operator)


@functools.cache
def _only_views_or_allocates(operator: OpOverload) -> bool:
    views = any(value.alias_info and not value.alias_info.is_write for value in operator._schema.arguments)
    return views or operator.overloadpacket.__name__ in _ALLOCATIONS


@functools.cache
def _writes_in_place(operator: Any) -> bool:
    return isinstance(operator, OpOverload) and operator._schema.is_mutable


def _plain_name(operator: Any) -> str:
    """PyTorch's operators by their name, others with where they come from: `relu`, `torchvision.roi_align`."""
    if isinstance(operator, OpOverload) and operator.namespace == "aten":
        return str(operator.overloadpacket.__name__)
    return name_of(operator).replace("::", ".")


_ALLOCATIONS = frozenset({"empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided", "_unsafe_view"})
