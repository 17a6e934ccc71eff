"""Torch's global settings, which the code of a network may change: then what a record says of them would be wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

_Access = tuple[Callable[[], Any], Callable[[Any], object]]


def _attribute(holder: Any, name: str) -> _Access:
    return lambda: getattr(holder, name), lambda value: setattr(holder, name, value)


_HAS_PRECISION = hasattr(torch.backends, "fp32_precision")
"""Since PyTorch 2.9."""

_SETTINGS: dict[str, _Access] = {
    **({"fp32_precision": _attribute(torch.backends, "fp32_precision")} if _HAS_PRECISION else {}),
    "number of threads": (torch.get_num_threads, torch.set_num_threads),
    "default dtype": (torch.get_default_dtype, torch.set_default_dtype),
    "gradients": (torch.is_grad_enabled, lambda value: torch.set_grad_enabled(value)),
    "deterministic algorithms": (torch.are_deterministic_algorithms_enabled, torch.use_deterministic_algorithms),
    "float32_matmul_precision": (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
    "matmul.allow_tf32": _attribute(torch.backends.cuda.matmul, "allow_tf32"),
    "cudnn.allow_tf32": _attribute(torch.backends.cudnn, "allow_tf32"),
    "cudnn.benchmark": _attribute(torch.backends.cudnn, "benchmark"),
    "cudnn.deterministic": _attribute(torch.backends.cudnn, "deterministic"),
    "cudnn.enabled": _attribute(torch.backends.cudnn, "enabled"),
}
"""Read and write, those that decide others first: a precision sets TF32."""

_MIXED = "values that differ"
"""Where a setting of TF32 cannot be read in its old form because code has used the new one."""


@contextmanager
def kept_settings(told: Callable[[str], object] | None = None) -> Iterator[None]:
    """Puts torch's settings back as they were before the block.

    Args:
        told: hears one sentence for each that had been changed.
    """
    before = _present()
    try:
        yield
    finally:
        found = _present()
        for name, (_, write) in _SETTINGS.items():
            if found[name] != before[name] and before[name] != _MIXED:
                if told is not None:
                    told(f"torch's {name} was changed from {before[name]} to {found[name]}")
                write(before[name])


def _present() -> dict[str, Any]:
    return {name: _read(read) for name, (read, _) in _SETTINGS.items()}


def _read(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except RuntimeError:
        return _MIXED
