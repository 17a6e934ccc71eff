"""What a program asks of torch and of its device, answered on `meta` as the target would.

A function mode sees every call of torch's functions: those that name a CUDA device go to `meta`; attention and the
fused layers of transformers go to what stands for the target's kernels. Whether there is a GPU is a question of
`torch.cuda`, which says yes to the program, and the truth to torch itself.
"""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode, handle_torch_function

from segbench.estimate import fast_paths
from segbench.estimate.attention import Attention
from segbench.estimate.attention_backends import Kernels
from segbench.estimate.older_torch import FORMULA, TODAY, Release, functions_of, gradients_as_in, had
from segbench.estimate.replacing import replaced

_TORCH = f"{Path(torch.__file__).parent}/"
_FAST_PATHS = (f"{_TORCH}nn/modules/activation.py", f"{_TORCH}nn/modules/transformer.py")
"""Where torch decides by `x.device.type` whether a layer may be fused."""
_META, _CUDA = torch.device("meta"), torch.device("cuda")


@contextlib.contextmanager
def program_on(target: str, kernels: Kernels | None = None, release: Release = TODAY) -> Iterator[Attention]:
    """Within it a program's calls are answered as on `target` by a release of torch; gives what attention took."""
    attention = Attention(target, Kernels("math") if had(release, FORMULA) else kernels)
    with contextlib.ExitStack() as stack:
        older = functions_of(release)
        calls = _Calls(target, attention, older)
        stack.enter_context(replaced(functional, "linear", _answering(_linear)))
        for name, answer in (("scaled_dot_product_attention", attention.attend), *older.items()):
            stack.enter_context(replaced(functional, name, _answering(answer)))
        stack.enter_context(gradients_as_in(release))
        if not had(release, FORMULA):
            stack.enter_context(replaced(torch.overrides, "has_torch_function", _of_arguments_alone))
        if target == "cuda":
            for name, answer in _answers((kernels or Kernels()).capability).items():
                stack.enter_context(replaced(torch.cuda, name, _to_the_program(answer)))
        stack.enter_context(calls)
        yield attention


class _Calls(TorchFunctionMode):
    """Sends calls where they belong."""

    def __init__(self, target: str, attention: Attention, older: dict[str, Callable[..., Any]]) -> None:
        super().__init__()
        on_cuda = target == "cuda"
        multihead = fast_paths.multihead_on_cuda(attention.attend) if on_cuda else fast_paths.multihead_on_cpu
        layer = fast_paths.encoder_layer_on_cuda(attention.attend) if on_cuda else fast_paths.encoder_layer_on_cpu
        self._instead: dict[Any, Callable[..., Any]] = {
            functional.scaled_dot_product_attention: attention.attend,
            functional.linear: _linear,
            torch._native_multi_head_attention: multihead,
            torch._transformer_encoder_layer_fwd: layer,
            torch.Tensor.cuda: lambda tensor, *_args, **_kwargs: tensor.to(_META),
            torch.Tensor.to: _moved_on(is_cuda if on_cuda else _is_cpu),
            torch.Tensor.device.__get__: _device_for_fast_paths,
        }
        for owner in (torch, torch.Tensor):
            self._instead |= {getattr(owner, name): older[name] for name in older if hasattr(owner, name)}
        if on_cuda:
            self._instead[torch.Tensor.is_cuda.__get__] = _is_cuda  # type: ignore[attr-defined]

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if "device" in kwargs and is_cuda(kwargs["device"]):
            kwargs = {**kwargs, "device": _META}
        return self._instead.get(function, function)(*args, **kwargs)


def _answering(answer: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A function of torch's that is another; modes (autocast) see it as they see the original.

    Functions written in Python call it by its name, past every mode.
    """

    def wrap(original: Callable[..., Any]) -> Callable[..., Any]:
        def function(*args: Any, **kwargs: Any) -> Any:
            if torch._C._is_torch_function_mode_enabled():
                return handle_torch_function(named, (), *args, **kwargs)
            return answer(*args, **kwargs)

        named = functools.wraps(original)(function)
        return function

    return wrap


def _linear(input: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """`linear` adds its bias in place, but out of place under any dispatch mode (`Linear.cpp`)."""
    if bias is None or input.ndim == 2 or input.is_contiguous() or not input.is_meta:
        return _ORIGINAL_LINEAR(input, weight, bias)
    return torch.matmul(input, weight.t()).add_(bias)


_ORIGINAL_LINEAR = functional.linear


def is_cuda(device: Any) -> bool:
    """Whether a device argument names a GPU: by text, by device or by number."""
    if isinstance(device, int) and not isinstance(device, bool):
        return True
    return isinstance(device, (str, torch.device)) and torch.device(device).type == "cuda"


def _is_cpu(device: Any) -> bool:
    return isinstance(device, (str, torch.device)) and torch.device(device).type == "cpu"


def _moved_on(is_target: Callable[[Any], bool]) -> Callable[..., torch.Tensor]:
    """`Tensor.to`, which brings to `meta` what goes to the target."""

    def to(tensor: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        if args and is_target(args[0]):
            args = (_META, *args[1:])
        return tensor.to(*args, **kwargs)

    return to


def _device_for_fast_paths(tensor: torch.Tensor, *_args: Any) -> torch.device:
    """A tensor's own device, but a GPU where one of torch's layers asks whether its fused form may run.

    `nn.TransformerEncoder` is told the truth: its fused form with a padding mask packs sequences by their lengths,
    which are data.
    """
    if not tensor.is_meta:
        return tensor.device
    frame = sys._getframe(2)
    asked = frame.f_code.co_filename in _FAST_PATHS and not isinstance(
        frame.f_locals.get("self"), nn.TransformerEncoder
    )
    return _CUDA if asked else tensor.device


def _is_cuda(tensor: torch.Tensor, *_args: Any) -> bool:
    return tensor.is_meta and not _asked_by_torch(sys._getframe(2).f_code.co_filename)


def _of_arguments_alone(_original: Callable[..., bool]) -> Callable[..., bool]:
    """Whether arguments are of a class of their own; modes, such as the trace's, do not count."""

    def has_torch_function(arguments: Any) -> bool:
        return any(
            isinstance(item, torch.Tensor) and type(item) not in (torch.Tensor, nn.Parameter) for item in arguments
        )

    return has_torch_function


def _answers(capability: tuple[int, int]) -> dict[str, Callable[..., Any]]:
    """What a program is told by `torch.cuda`."""
    return {
        "is_available": lambda: True,
        "is_initialized": lambda: True,
        "device_count": lambda: 1,
        "current_device": lambda: 0,
        "get_device_capability": lambda _device=None: capability,
        "is_bf16_supported": lambda _including_emulation=True: True,
        "synchronize": lambda _device=None: None,
        "empty_cache": lambda: None,
    }


def _to_the_program(answer: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def wrap(original: Callable[..., Any]) -> Callable[..., Any]:
        def ask(*args: Any, **kwargs: Any) -> Any:
            by_torch = _asked_by_torch(sys._getframe(1).f_code.co_filename)
            return (original if by_torch else answer)(*args, **kwargs)

        return ask

    return wrap


def _asked_by_torch(filename: str) -> bool:
    return filename.startswith(_TORCH)
