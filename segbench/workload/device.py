"""The device a case runs on, as torch has it."""

from __future__ import annotations

import torch

from segbench.errors import UserError
from segbench.records.case import Case


def device_of(case: Case) -> torch.device:
    """The case's device, made CUDA's current one: events and graphs belong to the current device's stream.

    Raises:
        UserError: it is CUDA and torch has none.
    """
    if case.device.startswith("cuda") and not torch.cuda.is_available():
        raise UserError(f"device {case.device!r} is not available to torch {torch.__version__}; use --device cpu")
    device = torch.device(case.device)
    if device.index is not None:
        torch.cuda.set_device(device)
    return device
