"""Several processes, one training: plain torch.distributed as `torchrun` starts it, on one machine or many."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, distributed, nn

from segbench.errors import UserError


@dataclass(frozen=True)
class World:
    """This process among those that train together.

    Attributes:
        rank: 0 is the one that writes.
        size: how many there are; 1 without `torchrun`.
    """

    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    @property
    def is_shared(self) -> bool:
        return self.size > 1

    def sum(self, value: Tensor) -> Tensor:
        """The sum over all processes, in place."""
        if self.is_shared:
            distributed.all_reduce(value)
        return value

    def sum_counts(self, counts: NDArray[np.int64], device: torch.device) -> NDArray[np.int64]:
        """The sum of integer counts over all processes."""
        if not self.is_shared:
            return counts
        total = self.sum(torch.from_numpy(counts.copy()).to(device))
        return total.cpu().numpy()

    def first_says(self, value: float, device: torch.device) -> float:
        """Rank 0's value, for every process: what a clock says must not differ between them."""
        if not self.is_shared:
            return value
        box = torch.tensor([value], dtype=torch.float64, device=device)
        distributed.broadcast(box, src=0)
        return float(box.item())

    def share_buffers(self, network: nn.Module) -> None:
        """Rank 0's buffers, for every process: each has the running statistics of its own images."""
        if self.is_shared:
            for buffer in network.buffers():
                distributed.broadcast(buffer, src=0)

    def wait(self) -> None:
        """Until every process is here."""
        if self.is_shared:
            distributed.barrier()


@contextmanager
def joined_world(device: torch.device) -> Iterator[World]:
    """Joins the processes that `torchrun` started, told by its environment variables; alone without them.

    NCCL connects CUDA devices, gloo CPUs.

    Raises:
        UserError: the variables are incomplete.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield World()
        return
    missing = [name for name in ("RANK", "MASTER_ADDR", "MASTER_PORT") if name not in os.environ]
    if missing:
        raise UserError(f"WORLD_SIZE is {size} but {', '.join(missing)} is not set; start with torchrun")
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield World(distributed.get_rank(), size)
    finally:
        distributed.destroy_process_group()


def own_device(device: str) -> str:
    """The name of this process's device: under `torchrun` each takes the card of its local rank.

    Raises:
        UserError: there are fewer cards than processes on this machine.
    """
    local = int(os.environ.get("LOCAL_RANK", "0"))
    if not device.startswith("cuda") or "LOCAL_RANK" not in os.environ:
        return device
    if local >= torch.cuda.device_count():
        cards = torch.cuda.device_count()
        raise UserError(f"process {local} of this machine has no card of its own, there are {cards}; start fewer")
    return f"cuda:{local}"
