from __future__ import annotations

import pytest
import torch

from segbench.errors import DataError
from segbench.tasks.outcome import classify


@pytest.mark.parametrize(
    "message",
    [
        "CUDA out of memory. Tried to allocate 2.00 GiB",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "Unable to find a valid cuDNN algorithm to run convolution",
        "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
        "cuDNN error: CUDNN_STATUS_NOT_INITIALIZED",
        "CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`",
        "[enforce fail at alloc_cpu.cpp:121] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to",
        "GET was unable to find an engine to execute this computation",
    ],
)
def test_an_out_of_memory_is_recognised_in_every_wording(message: str) -> None:
    assert classify(RuntimeError(message)) == "does_not_fit"


def test_an_out_of_memory_behind_another_error_is_recognised() -> None:
    error = RuntimeError("the step failed")
    error.__cause__ = torch.OutOfMemoryError("CUDA out of memory")
    assert classify(error) == "does_not_fit"


def test_other_errors_are_not_taken_for_an_out_of_memory() -> None:
    refused = "cuDNN error: CUDNN_STATUS_NOT_SUPPORTED. This error may appear if you passed in a non-contiguous input."
    assert classify(RuntimeError(refused)) == "failed", "too many numbers for a kernel, or a layout it does not know"
    assert classify(RuntimeError("mat1 and mat2 shapes cannot be multiplied")) == "failed"
    assert classify(DataError("label out of range")) == "failed"
    assert classify(NotImplementedError("no kernel")) == "unsupported"
