"""Which outcome an exception means: an out-of-memory comes in many wordings, and none of them is another error."""

from __future__ import annotations

import torch

from segbench.errors import UserError

_OUT_OF_MEMORY = (
    "out of memory",
    "cublas_status_alloc_failed",
    "cudnn_status_alloc_failed",
    # cuDNN 9's own name for an allocation on the device that failed.
    "cudnn_status_internal_error_device_allocation_failed",
    # Creating a handle needs memory outside the allocator's limit; both libraries call its lack so.
    "cublas_status_not_initialized",
    "cudnn_status_not_initialized",
    "cusolver_status_alloc_failed",
    "cusparse_status_alloc_failed",
    "cufft_alloc_failed",
    # cuDNN says this when no algorithm's workspace fits (pytorch/pytorch issues; ultralytics/yolov5#4463).
    "unable to find a valid cudnn algorithm",
    "unable to find an engine to execute this computation",
    "get was unable to find an engine",
    "defaultcpuallocator: can't allocate memory",
    "defaultcpuallocator: not enough memory",
    "cannot allocate memory",
    "cuda_error_out_of_memory",
    "memory limit of the budget",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the exception, or what it was raised from, is an out-of-memory of any wording."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, (MemoryError, torch.OutOfMemoryError)):
            return True
        if any(wording in str(seen).lower() for wording in _OUT_OF_MEMORY):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def classify(error: BaseException) -> str:
    """`does_not_fit` for an out-of-memory, `unsupported` for a NotImplementedError, `failed` otherwise."""
    if isinstance(error, UserError):
        return "failed"
    if is_out_of_memory(error):
        return "does_not_fit"
    return "unsupported" if isinstance(error, NotImplementedError) else "failed"
