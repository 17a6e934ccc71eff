"""Measures what a GPU takes beside tensors, for predictions that are about this GPU."""

from __future__ import annotations

import torch

from segbench.errors import UserError
from segbench.estimate.calibration import (
    DOZEN,
    CudaMemory,
    attention_kept,
    best_model,
    convolution_workspaces,
    cublas_bytes,
)
from segbench.meters.cuda_memory import process_bytes
from segbench.records.case import Case
from segbench.records.measurement import Measurement
from segbench.tasks.protocol import Reporter
from segbench.workload.device import device_of


def run(case: Case, report: Reporter) -> None:
    """Reports the context's bytes and cuBLAS's, with cuDNN's and attention's as detail.

    The context is what the process holds beyond the allocator's segments once all these kernels have run.

    Raises:
        UserError: the device is no GPU.
    """
    device = device_of(case)
    if device.type != "cuda":
        raise UserError(f"a GPU is calibrated, and {case.device} is none; give --device cuda")
    memory = CudaMemory(device)
    cublas = cublas_bytes(device, memory)
    torch.cuda.empty_cache()
    convolutions = list(convolution_workspaces(DOZEN, device, memory))
    attention = attention_kept(device, memory)
    torch.cuda.empty_cache()
    held = process_bytes(device)
    context = None if held.bytes is None else held.bytes - torch.cuda.memory_reserved(device)
    detail = {
        "gpu": torch.cuda.get_device_name(device),
        "capability": list(torch.cuda.get_device_capability(device)),
        "torch": torch.__version__,
        "workspaces": best_model(convolutions),
        "convolutions": convolutions,
        "attention": attention,
    }
    report.measured(Measurement("context_bytes", context, "measured:nvml", cause=held.cause, detail=detail))
    report.measured(Measurement("cublas_workspace_bytes", cublas, "measured:cuda"))
    if held.how:
        report.note(f"process memory: {held.how}")
