"""Torch's rules for kernels of attention, case by case (`sdp_utils.cpp`)."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from segbench.errors import UserError
from segbench.estimate.attention_backends import BACKENDS, Call, Kernels, backend_on_cpu, backend_on_cuda

BF16, FP16, FP32, FP64 = torch.bfloat16, torch.float16, torch.float32, torch.float64
AMPERE, VOLTA, HOPPER, LAPTOP = (8, 0), (7, 0), (9, 0), (8, 6)


def heads(dtype: torch.dtype = FP32, size: int = 64, length: int = 48, count: int = 4, device: str = "meta") -> Tensor:
    return torch.empty(2, count, length, size, dtype=dtype, device=device)


def call(dtype: torch.dtype = FP32, size: int = 64, **changes: Any) -> Call:
    tensor = heads(dtype, size)
    return Call(**{"query": tensor, "key": tensor, "value": tensor, **changes})


TRAINED = torch.empty(2, 4, 48, 224, dtype=BF16, device="meta", requires_grad=True)
SHORT, SHARED = heads(BF16, length=32), heads(BF16, count=2)
MASK = torch.empty(48, 48, device="meta")
CASES: dict[str, tuple[Call, tuple[int, int], str]] = {
    "float32 has no flash attention": (call(), AMPERE, "efficient"),
    "halves take flash attention": (call(BF16), AMPERE, "flash"),
    "odd heads are padded for it": (call(BF16, 12), AMPERE, "flash"),
    "heads beyond 256 are not": (call(BF16, 264), AMPERE, "efficient"),
    "a mask excludes it": (call(BF16, mask=MASK.bfloat16()), AMPERE, "efficient"),
    "causal rows and columns must be as many": (call(BF16, query=SHORT, causal=True), AMPERE, "efficient"),
    "dropout does not": (call(BF16, dropout=0.1), AMPERE, "flash"),
    "shared heads are its own": (call(BF16, key=SHARED, value=SHARED, grouped=True), AMPERE, "flash"),
    "shared heads in float32": (call(key=SHARED.float(), value=SHARED.float(), grouped=True), AMPERE, "math"),
    "heads of 10 in float32": (call(size=10), AMPERE, "math"),
    "heads of 10 before tensor cores of float32": (call(size=10), VOLTA, "efficient"),
    "float16 on Volta": (call(FP16), VOLTA, "efficient"),
    "bfloat16 on Volta": (call(BF16), VOLTA, "math"),
    "float64": (call(FP64), AMPERE, "math"),
    "two dtypes": (call(key=heads(FP16)), AMPERE, "math"),
    "three dimensions": (Call(*[torch.empty(2, 48, 64, device="meta")] * 3), AMPERE, "math"),
    "rows that are not adjacent": (call(query=heads(size=48, length=64).transpose(2, 3)), AMPERE, "math"),
    "two batch sizes": (call(query=heads()[:1]), AMPERE, "math"),
    "halves on Hopper": (call(BF16), HOPPER, "cudnn"),
    "halves with a mask on Hopper": (call(BF16, mask=MASK.bfloat16()), HOPPER, "cudnn"),
    "odd heads on Hopper": (call(BF16, 12), HOPPER, "flash"),
    "float32 on Hopper": (call(), HOPPER, "efficient"),
    "training with heads of 224 on a small GPU": (Call(TRAINED, TRAINED, TRAINED), LAPTOP, "efficient"),
    "training with heads of 224 elsewhere": (Call(TRAINED, TRAINED, TRAINED), AMPERE, "flash"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_cudas_choice(name: str) -> None:
    asked, capability, wanted = CASES[name]
    assert backend_on_cuda(asked, Kernels(capability=capability)) == wanted


@pytest.mark.parametrize("preferred", BACKENDS)
def test_the_preferred_kernel_is_taken_where_it_can_be(preferred: Any) -> None:
    assert backend_on_cuda(call(BF16), Kernels(preferred)) == preferred
    fallback = preferred if preferred in ("efficient", "math") else "efficient"
    assert backend_on_cuda(call(FP32), Kernels(preferred)) == fallback


def test_an_unknown_kernel_is_refused() -> None:
    with pytest.raises(UserError, match="flash, efficient, cudnn, math"):
        Kernels("fast")  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", [FP32, BF16, FP64])
@pytest.mark.parametrize("changes", [{}, {"dropout": 0.1}, {"causal": True}, {"mask": MASK}])
def test_the_cpus_choice_is_torchs_for_real_tensors(dtype: torch.dtype, changes: dict[str, Any]) -> None:
    mask = changes.get("mask")
    asked = {**changes, "mask": None if mask is None else mask.to(dtype)}
    real = heads(dtype, device="cpu")
    real_mask = None if mask is None else torch.zeros(mask.shape, dtype=dtype)
    wanted = torch._fused_sdp_choice(
        real, real, real, real_mask, changes.get("dropout", 0.0), changes.get("causal", False)
    )
    assert {"flash": 1, "math": 0}[backend_on_cpu(call(dtype, **asked))] == wanted


def test_a_question_to_the_cpu_takes_no_memory() -> None:
    """The stand-in of a tensor of 64 GB."""
    huge = torch.empty(1000, 16, 4096, 256, device="meta")
    assert backend_on_cpu(Call(huge, huge, huge)) == "flash"
