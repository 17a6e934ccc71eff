"""Gradient buckets of `DistributedDataParallel`: flat copies of all gradients that live as long as the training.

`Reducer` (`torch/csrc/distributed/c10d/reducer.cpp`) packs the gradients, from the last parameter to the first, into
buckets: the first of at most 1 MiB, the others of at most 25 MiB, each of one dtype. By default gradients are copied
into them; with `gradient_as_bucket_view` each gradient becomes a part of its bucket as soon as it is made. What NCCL
holds lies outside of the caching allocator and belongs to the context. `SyncBatchNorm` adds a few numbers a channel and
process, which are not counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import nn

from segbench.workload.sharing import Strategy

FIRST_BUCKET = 2**20
BUCKET = 25 * 2**20
"""`kDefaultFirstBucketBytes` and `bucket_cap_mb`."""


def bucket_gradients(parameters: Iterable[nn.Parameter], strategy: Strategy) -> list[torch.Tensor]:
    """The buckets, on the parameters' device; from now on gradients go where the strategy says."""
    if strategy in ("single", "fsdp"):
        return []
    buckets: list[torch.Tensor] = []
    for group in _groups([item for item in parameters if item.requires_grad]):
        bucket = torch.empty(sum(item.numel() for item in group), dtype=group[0].dtype, device=group[0].device)
        buckets.append(bucket)
        if strategy == "ddp-views":
            views = torch.split(bucket, [item.numel() for item in group])
            for parameter, view in zip(group, views, strict=True):
                _keep_in(parameter, view.view(parameter.shape))
    return buckets


def _groups(parameters: list[nn.Parameter]) -> Iterator[list[nn.Parameter]]:
    """Parameters of each bucket, from the last to the first: a bucket is closed once it has reached its size."""
    group: list[nn.Parameter] = []
    limit = FIRST_BUCKET
    for parameter in reversed(parameters):
        if group and parameter.dtype != group[0].dtype:
            yield group
            group = []
        group.append(parameter)
        if sum(item.numel() * item.element_size() for item in group) >= limit:
            yield group
            group, limit = [], BUCKET
    if group:
        yield group


def _keep_in(parameter: nn.Parameter, view: torch.Tensor) -> None:
    def move(item: torch.Tensor) -> None:
        if item.grad is not None:
            view.copy_(item.grad)
            item.grad = view

    parameter.register_post_accumulate_grad_hook(move)  # type: ignore[no-untyped-call]
