"""Turns `--device` into the device of the cases, without torch and without a CUDA context."""

from __future__ import annotations

import re
from dataclasses import dataclass

from segbench import nvml
from segbench.devices.node import Node
from segbench.errors import UserError
from segbench.records.host import cpu_name, package_version


@dataclass(frozen=True)
class Device:
    """Where a command's cells run.

    Attributes:
        name: `cpu`, `cuda:N` or `none`, as in `Case.device`.
        title: the GPU's or the processor's name, part of the resume key.
        memory_bytes: of the GPU; None elsewhere, and where NVML does not tell it.
        why: a clause for the provenance line where `auto` chose.
    """

    name: str
    title: str
    memory_bytes: int | None = None
    why: str = ""

    @property
    def is_cuda(self) -> bool:
        return self.name.startswith("cuda")


def choose_device(wanted: str, command: str, predicts: bool = False, node: Node | None = None) -> Device:
    """The device `--device` means for a command.

    Args:
        wanted: `auto`, `cpu`, `none`, `cuda` or `cuda:N`.
        command: for sentences.
        predicts: whether it can answer without running anything; `auto` then predicts where there is no GPU.
        node: the machine that will answer; None for this one.

    Raises:
        UserError: another word, a GPU that is not there, or a prediction of what cannot be predicted.
    """
    torch = node.torch if node else package_version("torch") or ""
    processor = node.processor if node else cpu_name()
    gpus = _gpus(node) if wanted == "auto" or wanted.startswith("cuda") else []
    if wanted == "auto":
        if gpus and not torch.endswith("+cpu"):
            return _cuda(gpus[0], "auto: the first CUDA GPU")
        why = "auto: no CUDA GPU" if not gpus else "auto: this torch has no CUDA"
        return Device("none", "none", why=why) if predicts else Device("cpu", processor, why=why)
    if wanted == "cpu":
        return Device("cpu", processor)
    if wanted == "none":
        if not predicts:
            raise UserError(f"{command} cannot be predicted; --device none works where memory is asked for")
        return Device("none", "none")
    match = re.fullmatch(r"cuda(?::(\d+))?", wanted)
    if match is None:
        raise UserError(f"no device {wanted!r}; choose auto, cpu, cuda, cuda:N or none")
    if torch.endswith("+cpu"):
        raise UserError(f"this torch ({torch}) has no CUDA; install a CUDA build, or use --device cpu")
    index = int(match[1] or 0)
    if index >= len(gpus):
        found = ", ".join(f"cuda:{gpu.index} {gpu.name}" for gpu in gpus) or "no CUDA GPU"
        raise UserError(f"no device {wanted!r}; found {found}; use --device cpu, or none where that predicts")
    return _cuda(gpus[index], "")


def _gpus(node: Node | None) -> list[nvml.Gpu]:
    """What `cuda:N` may mean: here every GPU, elsewhere the one that a case is given."""
    return list(node.gpus[:1]) if node else nvml.visible_gpus()


def title_of(device: str) -> str:
    """The name of what a case's device is on this machine, part of its resume key."""
    if not device.startswith("cuda"):
        return cpu_name() if device == "cpu" else device
    gpus = nvml.visible_gpus()
    index = int(device.partition(":")[2] or 0)
    return gpus[index].name if index < len(gpus) else device


def _cuda(gpu: nvml.Gpu, why: str) -> Device:
    return Device(f"cuda:{gpu.index}", gpu.name, gpu.memory_bytes, why)
