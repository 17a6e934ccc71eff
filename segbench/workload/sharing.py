"""One process of several that train a network together: DistributedDataParallel or FSDP2, over NCCL or gloo.

Sources: Li et al., "PyTorch Distributed: Experiences on Accelerating Data Parallel Training", VLDB 2020; Zhao et al.,
"PyTorch FSDP: Experiences on Scaling Fully Sharded Data Parallel", VLDB 2023.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, distributed, nn

from segbench.cards.model import find_model
from segbench.errors import UserError
from segbench.workload.gloo import GLOO, free_collectives, settled_collectives, settled_results
from segbench.workload.optimizer import build_optimizer
from segbench.workload.step import Workload
from segbench.zoo import SupervisesItself

Strategy = Literal["single", "ddp", "ddp-views", "fsdp"]
"""One device; DDP that copies gradients into buckets; DDP whose gradients are parts of buckets; FSDP2, which shares
parameters, gradients and the optimizer's state between ranks and has no buckets."""


@contextlib.contextmanager
def joined(rank: int, ranks: int, meeting: Path, device: torch.device) -> Iterator[None]:
    """Within it this process is one of several on this machine; each calls it.

    Args:
        meeting: a file that does not exist yet, the same for all.

    Raises:
        UserError: there are fewer GPUs than ranks.
    """
    on_cuda = device.type == "cuda"
    first = (device.index or 0) - rank
    if on_cuda and torch.cuda.device_count() < first + ranks:
        raise UserError(
            f"--ranks {ranks} needs as many GPUs from cuda:{first} on, and there are {torch.cuda.device_count()}; "
            "predict it with --device none, or measure with --device cpu"
        )
    distributed.init_process_group(
        "nccl" if on_cuda else GLOO, init_method=f"file://{meeting}", rank=rank, world_size=ranks
    )
    try:
        with contextlib.nullcontext() if on_cuda else settled_results():
            yield
    finally:
        distributed.destroy_process_group()


def share(workload: Workload, strategy: Strategy, ranks: int) -> Workload:
    """The workload of one of the processes that have joined."""
    if strategy == "fsdp":
        return _sharded(workload, ranks)
    if strategy == "single" or "train" not in workload.case.modes:
        return workload
    parts = {item.name: getattr(workload, item.name) for item in fields(Workload)}
    return _DataParallel(**parts, views=strategy == "ddp-views")


@dataclass
class _DataParallel(Workload):
    """Its loss is what DDP wraps, for some networks have one of their own.

    Attributes:
        views: whether gradients are parts of the buckets.
    """

    views: bool = False
    _parallel: nn.Module | None = field(default=None, init=False)

    def prepare(self, step_too: bool) -> None:
        """DDP makes buckets when it is built, and makes them anew after its first step."""
        self._parallel = nn.parallel.DistributedDataParallel(
            _Loss(self),
            gradient_as_bucket_view=self.views,
            find_unused_parameters=isinstance(self.network, SupervisesItself),  # what a step trains may vary
            init_sync=False,  # equal seeds made equal weights; it would hold a copy of them for a moment
        )
        if step_too:
            self.small_step()

    def loss(self, images: Tensor, labels: Tensor) -> Tensor:
        if self._parallel is None:
            self.prepare(step_too=False)
        assert self._parallel is not None
        if self.device.type == "cpu":
            free_collectives()
        loss: Tensor = self._parallel(images, labels)
        return loss


class _Loss(nn.Module):
    def __init__(self, workload: Workload) -> None:
        super().__init__()
        self.network = workload.network
        self._loss = super(_DataParallel, workload).loss  # type: ignore[misc]

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        loss: Tensor = self._loss(images, labels)
        return loss


def _sharded(workload: Workload, ranks: int) -> Workload:
    mesh = distributed.device_mesh.init_device_mesh(workload.device.type, (ranks,))
    fully_sharded(workload.network, mesh)
    if workload.device.type == "cpu":
        gather, reduce = settled_collectives()
        for unit in units(workload.network):
            unit.set_custom_all_gather(gather)  # type: ignore[operator]  # `fully_shard` makes it an FSDPModule
            unit.set_custom_reduce_scatter(reduce)  # type: ignore[operator]
    recipe = find_model(workload.case.model).card.recipe
    workload.optimizer = build_optimizer(workload.case.optimizer, recipe, workload.network.parameters())
    return workload


def units(network: nn.Module) -> Iterator[nn.Module]:
    """What FSDP2 gathers together: every child with parameters, those of lists one by one, and last the network."""
    yield from _below(network)
    yield network


def _below(module: nn.Module) -> Iterator[nn.Module]:
    for child in module.children():
        if isinstance(child, (nn.ModuleList, nn.ModuleDict)):
            yield from _below(child)  # has no forward pass of its own, which is where a unit is gathered
        elif any(True for _ in child.parameters()):
            yield child


def fully_sharded(network: nn.Module, mesh: Any) -> None:
    """FSDP2 as its users write it: `fully_shard` of every unit."""
    from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

    for unit in units(network):
        fully_shard(unit, mesh=mesh)
    for method in ("training_loss", "supervise"):
        if hasattr(network, method):
            register_fsdp_forward_method(network, method)
