"""The trace: a dispatch mode that watches every storage of a program which runs on the `meta` device.

Nothing is computed and no memory is used, so a step of any size takes as long as its number of operators asks for.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from segbench.errors import UserError
from segbench.estimate.attention import backward_buffers
from segbench.estimate.corrections import Target
from segbench.estimate.kernel_buffers import beside_result
from segbench.estimate.lifetimes import Lifetimes
from segbench.estimate.log import StorageLog
from segbench.estimate.mirrors import MOST_BYTES, Mirrors
from segbench.estimate.modules import ModuleNames
from segbench.estimate.operators import by_identity, tensors_in
from segbench.estimate.overheads import Overheads
from segbench.estimate.prediction_warnings import PredictionWarnings
from segbench.estimate.shortcuts import answer_without_running
from segbench.estimate.worst_case import SHAPED_BY_DATA, chosen_by, is_mask, lists_of_places
from segbench.workload.dtypes import require_one_dtype

_aten = torch.ops.aten
_MATRIX_PRODUCTS = by_identity(
    _aten.mm.default,
    _aten.addmm.default,
    _aten.bmm.default,
    _aten.baddbmm.default,
    _aten.mv.default,
    _aten.addmv.default,
    _aten.dot.default,
)
_IN_PLACE_WITHOUT_A_MODE = by_identity(
    _aten.add.Tensor,
    _aten.scatter.src,
    _aten.scatter_add.default,
    _aten.index_put.default,
    _aten.index_add.default,
    _aten.masked_scatter.default,
)
_WHOLE_OF_A_COLLECTIVE = {
    torch.ops.c10d._allgather_base_.default: 0,
    torch.ops.c10d._reduce_scatter_base_.default: 1,
}
"""Collectives of FSDP -> the argument that holds all ranks' parts. Gloo works in a copy of it, as the profiler shows
with torch 2.13; what NCCL holds lies outside of the allocator."""
_SHAPED_BY_DATA = by_identity(*SHAPED_BY_DATA)
_VIEWS = by_identity(
    _aten.view.default,
    _aten.slice.Tensor,
    _aten.select.int,
    _aten.as_strided.default,
    _aten.detach.default,
    _aten.alias.default,
    _aten.expand.default,
    _aten.t.default,
    _aten.transpose.int,
    _aten.permute.default,
    _aten.unsqueeze.default,
    _aten.split.Tensor,
)
"""Half of all operators: they give a part of a storage or another shape to it, and neither read nor make any."""
_OPERANDS = 2
"""Of an operator, at most, that it copies before it runs."""
_ZEROS = {"aten.new_zeros", "aten.zeros", "aten.zeros_like"}


class StorageTrace(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Logs births and deaths of the storages of all `meta` tensors while it is active.

    Args:
        target: whose behaviour is logged. Libraries' workspaces are logged for `cuda` only.
        overheads: which workspaces; see `segbench.estimate.overheads`.

    Attributes:
        lifetimes: the log as it grows, to be told of phases and roles.
        modules: to be told of the network whose calls are to be named.
        mirrors: values of small tensors, and the assumptions made where there were none.
        operators: how many were dispatched.
        asked: how often the program asked for values, or for a shape that depends on them.
        classes: channels of the scores that the last loss read; None without one.
        warnings: what was seen that is known to be predicted wrongly.
    """

    def __init__(self, target: Target = "cuda", overheads: Overheads | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.mirrors = Mirrors()
        self.modules = ModuleNames()
        self.lifetimes = Lifetimes(on_death=self.mirrors.forget_address)
        self.operators = self.asked = 0
        self.classes: int | None = None
        self.warnings = PredictionWarnings()
        self._target = target
        self._overheads = (overheads or Overheads()) if target == "cuda" else None
        self._fan_out: tuple[int, int] | None = None
        self._conjugated: list[tuple[int, int]] = []
        self._threads_with_cublas: set[bool] = set()

    def copy(self, overheads: Overheads | None = None) -> StorageTrace:
        """Another trace of the same target, whose log is up to here the same, of the same tensors.

        Args:
            overheads: from here on.
        """
        self.settle()
        twin = StorageTrace(self._target, overheads)
        twin.mirrors, twin.warnings = self.mirrors.copy(), self.warnings.copy()
        twin.lifetimes = self.lifetimes.copy(twin.mirrors.forget_address)
        twin.operators, twin.classes = self.operators, self.classes
        twin._conjugated, twin._threads_with_cublas = list(self._conjugated), set(self._threads_with_cublas)
        return twin

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Spares every call a wrapper that only `torch.compile` needs."""
        return False

    def log(self) -> StorageLog:
        """The log so far."""
        self.settle()
        return self.lifetimes.log()

    def enter(self, phase: str, step: int | None = None) -> None:
        """Tells that a phase of the program begins."""
        self.settle()
        self.lifetimes.enter(phase, step)

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if types and any(kind.__name__ == "DTensor" for kind in types):
            return NotImplemented  # it calls the operator of its local part, which is what is kept
        self.settle()
        self.operators += 1
        self.lifetimes.module = self.modules.present()
        if id(function) in _VIEWS:
            output = function(*args, **kwargs)
            self._log_results(function, output)
            return output
        require_one_dtype(function, args)
        tensors = [tensor for tensor in tensors_in((*args, *kwargs.values())) if tensor.is_meta]
        output = self._run(function, args, kwargs, tensors)
        self._look_at(function, args)
        self._log(function, args, kwargs, output)
        return output

    def _look_at(self, function: Any, args: Sequence[Any]) -> None:
        """What is to be told of a run, by the few operators that give reason to."""
        if function is _aten.nll_loss2d_forward.default:
            self.classes = args[0].shape[1]
        elif function is _aten.native_batch_norm.default or function.namespace != "aten":
            self.warnings.look_at(function, args)

    def _run(self, function: Any, args: Sequence[Any], kwargs: dict[str, Any], tensors: list[torch.Tensor]) -> Any:
        """Carries the operator out on `meta`, and on the mirrors where all it reads is known."""
        makes_meta = kwargs.get("device") is not None and kwargs["device"].type == "meta"
        if not tensors and not makes_meta:
            return function(*args, **kwargs)
        known = self.mirrors.know_before(function, args, tensors)
        if not makes_meta and _leaves_meta(function, kwargs):
            return self._value_for_the_host(function, args, kwargs, known)
        if id(function) in _SHAPED_BY_DATA:
            return self._shaped_by_data(function, args, kwargs, known)
        if function is _aten.index.Tensor and any(is_mask(index) for index in args[1]):
            return self._chosen_by_mask(function, args, known)
        output = answer_without_running(function, args, kwargs)
        if output is NotImplemented:
            output = _run_on_meta(function, args, kwargs)
        if known:
            self._mirror(function, args, kwargs, tensors_in((output,)))
        elif function._schema.is_mutable:
            self._forget_written(function, args)
        return output

    def _mirror(self, function: Any, args: Sequence[Any], kwargs: dict[str, Any], outputs: list[torch.Tensor]) -> None:
        if any(output.untyped_storage().nbytes() > MOST_BYTES for output in outputs):
            return
        values = self.mirrors.compute(function, args, kwargs)
        self.mirrors.learn(outputs, tensors_in((values,)))

    def _value_for_the_host(self, function: Any, args: Sequence[Any], kwargs: dict[str, Any], known: bool) -> Any:
        """A number, or a copy on the CPU: real where it is known, assumed where it is not."""
        self.asked += 1
        if known:
            return self.mirrors.compute(function, args, kwargs)
        if function is _aten._local_scalar_dense.default:
            return self.mirrors.ask_oracle(args[0])
        if function is _aten.equal.default:
            return self.mirrors.ask_oracle(torch.empty((), dtype=torch.bool, device="meta"))
        return _zeros_on_the_host(args[0].shape, kwargs.get("dtype") or args[0].dtype)

    def _shaped_by_data(self, function: Any, args: Sequence[Any], kwargs: dict[str, Any], known: bool) -> Any:
        self.asked += 1
        if not known:
            self.mirrors.assume(f"the largest result {function} can have")
            return SHAPED_BY_DATA[function](*args, **kwargs)
        return self._from_mirrors(function, args, kwargs)

    def _chosen_by_mask(self, function: Any, args: Sequence[Any], known: bool) -> Any:
        if known:
            self.asked += 1
            return self._from_mirrors(function, args, {})
        return function(args[0], chosen_by(args[1], self._chosen))

    def _chosen(self, mask: torch.Tensor) -> int:
        """How many elements a mask chooses: known, or all of them."""
        self.asked += 1
        if self.mirrors.know((mask,)):
            return int(self.mirrors.compute(_aten.count_nonzero.default, (mask,), {}))
        self.mirrors.assume("every element that a mask could choose")
        return mask.numel()

    def _from_mirrors(self, function: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        values = self.mirrors.compute(function, args, kwargs)
        real = tensors_in((values,))
        outputs = [torch.empty_like(value, device="meta") for value in real]
        self.mirrors.learn(outputs, real)
        return outputs[0] if isinstance(values, torch.Tensor) else tuple(outputs)

    def _forget_written(self, function: Any, args: Sequence[Any]) -> None:
        for argument, value in zip(function._schema.arguments, args, strict=False):
            if argument.alias_info is not None and argument.alias_info.is_write:
                for tensor in tensors_in((value,)):
                    self.mirrors.forget(tensor)

    def _log(self, function: Any, args: Sequence[Any], kwargs: dict[str, Any], output: Any) -> None:
        name = _name(function)
        if self._overheads is not None:
            self._log_buffers(function, args, name)
        elif function in _WHOLE_OF_A_COLLECTIVE:
            self.lifetimes.passing(args[_WHOLE_OF_A_COLLECTIVE[function]].nbytes, name, "temporaries")
        position = len(self.lifetimes.events)
        self._log_results(function, output)
        if self._overheads is None and function is _aten.clone.default and args[0].is_conj():
            self._conjugated.append((self.operators, self.lifetimes.born(output, name)))
        if id(function) in _IN_PLACE_WITHOUT_A_MODE and len(self.lifetimes.events) == position + 1:
            self._suspect_out_of_place(function, position, args, kwargs, output)
        if self._overheads is not None:
            self._log_beside_result(function, args, output, name)

    def _log_results(self, function: Any, output: Any) -> None:
        for tensor in (output,) if isinstance(output, torch.Tensor) else tensors_in((output,)):
            if tensor.is_meta and tensor.layout is torch.strided:
                self.lifetimes.born(tensor, _name(function))

    def _log_buffers(self, function: Any, args: Sequence[Any], name: str) -> None:
        assert self._overheads is not None
        if id(function) in _MATRIX_PRODUCTS:
            in_backward = self.lifetimes.phase == "backward"  # another thread on CUDA, with a handle of its own
            if in_backward not in self._threads_with_cublas and self._overheads.cublas_bytes:
                self._threads_with_cublas.add(in_backward)
                self.lifetimes.lasting(self._overheads.cublas_bytes, name, "workspaces")
        within = (*backward_buffers(function, args), *lists_of_places(function, args))
        if within:
            self.lifetimes.passing_together(within, name, "temporaries")

    def _log_beside_result(self, function: Any, args: Sequence[Any], output: Any, name: str) -> None:
        """What a kernel asks for when its result has its memory already."""
        assert self._overheads is not None
        buffers = beside_result(function, args)
        if buffers:
            self.lifetimes.passing_together(buffers, name, "temporaries")
        size = self._overheads.convolution_workspace(function, args, output)
        if size:
            self.lifetimes.passing(size, name, "workspaces")

    def _suspect_out_of_place(
        self, function: Any, position: int, args: Sequence[Any], kwargs: dict[str, Any], output: torch.Tensor
    ) -> None:
        """Notes what the backward pass would do in place if no dispatch mode were active.

        The engine adds into a gradient that is dense and its own (`InputBuffer::accumulate`), and formulas of gradients
        scatter into zeros they have just made, but under any dispatch mode they take every tensor for a subclass and
        do it out of place. Whether the first operand was theirs alone shows at the next operator: then it is dead.
        """
        older = args[0]
        if kwargs.get("alpha", 1) != 1 or not isinstance(older, torch.Tensor) or not _called_by_engine():
            return
        dense = older.numel() * older.element_size() == older.untyped_storage().nbytes()
        number = self.lifetimes.number(older)
        if number is None or not dense or older.shape != output.shape or older.dtype != output.dtype:
            return
        if function is _aten.add.Tensor or self.lifetimes.records[number].operator in _ZEROS:
            self._fan_out = (position, number)

    def settle(self) -> None:
        """Puts right what could not be told before the operators so far had returned."""
        if self._conjugated:
            self._settle_conjugated()
        if self._fan_out is not None:
            position, older = self._fan_out
            self._fan_out = None
            if self.lifetimes.died_since(position, older):
                self.lifetimes.continue_as(position, older)

    def _settle_conjugated(self) -> None:
        """Tells copies of conjugated operands from tensors.

        Operators that cannot read an operand as conjugated copy it, and give the copy up before they return; a trace
        sees the copy as an operator of its own. On the CPU live bytes leave out what lives within one operator.
        """
        for _, number in self._conjugated:
            if self.lifetimes.died_since(0, number):
                self.lifetimes.records[number].role = "workspaces"
        self._conjugated = [item for item in self._conjugated if self.operators - item[0] < _OPERANDS]


@cache
def _name(function: Any) -> str:
    return function._schema.name.replace("::", ".")  # type: ignore[no-any-return]


def _run_on_meta(function: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    try:
        return function(*args, **kwargs)
    except (NotImplementedError, RuntimeError) as error:
        if not isinstance(error, NotImplementedError) and "no fake impl" not in str(error):
            raise
        raise UserError(
            f"operator {function} has no rule for the shapes of its results, so that its memory cannot be predicted; "
            f'register one with torch.library.register_fake("{function._schema.name}"), or measure on the device'
        ) from error


def _leaves_meta(function: Callable[..., Any], kwargs: dict[str, Any]) -> bool:
    """Whether the operator asks for values on the host."""
    if function in (_aten._local_scalar_dense.default, _aten.equal.default):
        return True
    return function is _aten._to_copy.default and kwargs.get("device") is not None and kwargs["device"].type == "cpu"


def _zeros_on_the_host(shape: torch.Size, dtype: torch.dtype) -> torch.Tensor:
    """What nobody knows of a copy on the CPU; a large one stands on one element, since it is no memory of the target's.

    Activations that are moved to the host, gigabytes of them, then cost nothing here.
    """
    whole = shape.numel() * dtype.itemsize <= MOST_BYTES
    return torch.zeros(shape, dtype=dtype) if whole else torch.zeros((), dtype=dtype).expand(shape)


def _called_by_engine() -> bool:
    """Whether the C++ autograd engine issued the operator, rather than Python code."""
    frame = sys._getframe(4)  # past this function, the three methods of the trace that lead here
    return frame.f_code.co_name == "_engine_run_backward"
