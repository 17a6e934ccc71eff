"""What a machine that can answer cases has: its processor, GPUs and versions, known without torch."""

from __future__ import annotations

import platform
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from segbench import nvml
from segbench.errors import UserError
from segbench.nvml import Gpu
from segbench.records.host import cpu_count, cpu_name, package_version

VERSIONS = ("segbench", "torch", "python")
"""What must be the same on every machine that answers one command."""


@dataclass(frozen=True)
class Node:
    """One machine.

    Attributes:
        name: of the host, for people; a ledger never has it.
        gpus: that a process there sees.
        driver: NVIDIA's; None without one.
        segbench, torch, python: versions; empty for what is not installed.
    """

    name: str
    processor: str
    cores: int
    gpus: tuple[Gpu, ...]
    driver: str | None
    segbench: str
    torch: str
    python: str

    def title(self, device: str) -> str:
        """The name of what a case's device is here, part of its resume key."""
        if not device.startswith("cuda"):
            return self.processor if device == "cpu" else device
        index = int(device.partition(":")[2] or 0)
        return self.gpus[index].name if index < len(self.gpus) else device


def node_here() -> Node:
    """This machine."""
    return Node(
        name=socket.gethostname(),
        processor=cpu_name(),
        cores=cpu_count(),
        gpus=tuple(nvml.visible_gpus()),
        driver=nvml.driver_version(),
        segbench=package_version("segbench") or "",
        torch=package_version("torch") or "",
        python=platform.python_version(),
    )


def require_one_version(nodes: Sequence[Node]) -> None:
    """Refuses machines that are not set up alike.

    Raises:
        UserError: one sentence with every version and who has it.
    """
    for what in VERSIONS:
        holders: dict[str, list[str]] = {}
        for node in nodes:
            holders.setdefault(getattr(node, what) or "no version", []).append(node.name)
        if len(holders) > 1:
            found = "; ".join(f"{version} on {_names(names)}" for version, names in holders.items())
            raise UserError(f"the machines have different versions of {what}: {found}; install the same one everywhere")


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(dict.fromkeys(names[:3]))
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown
