"""FSDP2 on `meta`: torch's own `fully_shard` in one process that stands for a rank among many.

Collectives are those of torch's fake process group, which move nothing; what is kept of parameters, gathered,
prefetched and reduced is decided by torch's own code, with the storages that it resizes by hand told to the trace.
Kernels of several streams are taken to end in the order they are issued: memory that NCCL's streams hold for longer is
not seen.
Source: Zhao et al., "PyTorch FSDP: Experiences on Scaling Fully Sharded Data Parallel", VLDB 2023, and
`torch/distributed/fsdp/_fully_shard`.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from segbench.estimate.lifetimes import Lifetimes
from segbench.estimate.replacing import replaced
from segbench.workload.sharing import fully_sharded

Shard = Callable[[nn.Module, "Optimizer | None"], None]
"""Shards a network in place; its optimizer then holds the shards."""


@contextlib.contextmanager
def one_rank_of(ranks: int, lifetimes: Lifetimes) -> Iterator[Shard]:
    """Within it this process is rank 0 of so many; gives what shards a network on `meta`."""
    from torch import distributed
    from torch.distributed._tools import fake_collectives  # noqa: F401  # rules for collectives on `meta`
    from torch.testing._internal.distributed.fake_pg import FakeStore

    distributed.init_process_group("fake", store=FakeStore(), rank=0, world_size=ranks)
    try:
        mesh = distributed.device_mesh.init_device_mesh("cpu", (ranks,))
        with _without_a_device(), _told(lifetimes):
            yield functools.partial(_shard, mesh)
    finally:
        distributed.destroy_process_group()


def _shard(mesh: Any, network: nn.Module, optimizer: Optimizer | None) -> None:
    from torch.distributed.fsdp import FSDPModule

    whole = dict(network.named_parameters())
    fully_sharded(network, mesh)
    shards = {whole[name]: shard for name, shard in network.named_parameters()}
    for group in optimizer.param_groups if optimizer else ():
        group["params"] = [shards.get(parameter, parameter) for parameter in group["params"]]
    for module in network.modules():
        if isinstance(module, FSDPModule):
            for parameters in module._get_fsdp_state()._fsdp_param_groups:
                _move_to_meta(parameters)


def _move_to_meta(parameters: Any) -> None:
    """What a group gathers lies where its parameters do, not on the mesh's device."""
    meta = torch.device("meta")
    parameters.device = meta
    parameters._all_gather_output = torch.empty(0, device=meta)
    for parameter in parameters.fsdp_params:
        parameter.device = meta


@contextlib.contextmanager
def _without_a_device() -> Iterator[None]:
    """Streams and events of `meta` are those of the CPU, which are none."""
    from torch.distributed.fsdp._fully_shard import _fsdp_collectives, _fsdp_param_group, _fsdp_state

    with contextlib.ExitStack() as stack:
        for module in (_fsdp_collectives, _fsdp_param_group, _fsdp_state):
            stack.enter_context(replaced(module, "_get_device_handle", lambda _: lambda _type: torch.cpu))
        group = _fsdp_param_group.FSDPParamGroup
        stack.enter_context(replaced(group, "_validate_no_meta_params", lambda _: lambda _self: None))
        yield


@contextlib.contextmanager
def _told(lifetimes: Lifetimes) -> Iterator[None]:
    """A gathered parameter keeps its storage object and gives its bytes back: no operator says so."""
    from torch.distributed.fsdp._fully_shard import _fsdp_param, _fsdp_param_group

    def telling(resize: Callable[[torch.Tensor], None]) -> Callable[[torch.Tensor], None]:
        def resized(tensor: torch.Tensor) -> None:
            before = tensor.untyped_storage().nbytes()
            resize(tensor)
            if tensor.untyped_storage().nbytes() != before:
                lifetimes.resized(tensor, "fsdp.all_gather")

        return resized

    with contextlib.ExitStack() as stack:
        for owner, name in (
            (_fsdp_param, "alloc_storage"),
            (_fsdp_param, "free_storage"),
            (_fsdp_param_group, "alloc_storage"),
        ):
            stack.enter_context(replaced(owner, name, telling))
        yield
