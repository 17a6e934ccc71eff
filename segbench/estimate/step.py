"""Running a step under the trace: a network is built, its step repeated, and every storage told what it was for."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import nn
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from segbench.estimate.assumed_steps import assuming_steps
from segbench.estimate.attention_backends import Kernels
from segbench.estimate.autocast import autocast_on_meta
from segbench.estimate.buckets import bucket_gradients
from segbench.estimate.collector import permanent
from segbench.estimate.corrections import Target, like
from segbench.estimate.fsdp import Shard, one_rank_of
from segbench.estimate.kept_values import hides_nothing, kept_values
from segbench.estimate.log import StorageLog
from segbench.estimate.older_torch import TODAY, Release, overheads_in
from segbench.estimate.operators import tensors_in
from segbench.estimate.overheads import Overheads
from segbench.estimate.program import program_on
from segbench.estimate.repeated import with_second_step, with_step_repeated
from segbench.estimate.repeated_calls import RepeatedCalls
from segbench.estimate.trace import StorageTrace
from segbench.libraries.traits import own_loss
from segbench.workload.muon import Muon
from segbench.workload.shards import local
from segbench.workload.sharing import Strategy

STEPS = 3
"""One to warm up, in which the optimizer makes its state, and two that count, as in a measurement. Those that count are
copied where they can be (`segbench.estimate.repeated`)."""
ALIKE_FROM_THE_FIRST_STEP = (type(None), SGD, AdamW, Muon)
"""Optimizers whose first step makes their state and is like every other one in all else."""


class Steppable(Protocol):
    """A network with what one of its steps needs; built inside the trace."""

    @property
    def network(self) -> nn.Module: ...

    @property
    def optimizer(self) -> Optimizer | None: ...

    def make_batch(self, count: int | None = None, /) -> tuple[torch.Tensor, torch.Tensor]:
        """Images `(N, 3, H, W)` float32 and labels `(N, H, W)` int64, on `meta`."""
        ...

    def train_step(self, images: torch.Tensor, labels: torch.Tensor) -> Any:
        """Begins by giving up the network's gradients, and ends with the optimizer's step."""
        ...

    def infer(self, images: torch.Tensor) -> torch.Tensor: ...


@dataclass(frozen=True)
class Start:
    """What steps begin with.

    Attributes:
        workload: as it was built.
        trace: of the building.
        randomness: state of torch's generator on the CPU.
    """

    workload: Steppable
    trace: StorageTrace
    randomness: torch.Tensor


@dataclass(frozen=True)
class Traced:
    """What a trace left.

    Attributes:
        log: births and deaths.
        parameters: trainable parameters.
        operators: how many ran, of which a copied step has none.
        assumptions: what the oracle had to answer, as `place took answer`, and how often.
        warnings: what was seen that is known to be predicted wrongly.
        classes: channels of the class scores; None where neither a loss nor an inference gave any, or the loss is the
            network's own, which may read others.
        attention: which kernels attention took, as `efficient: float32, heads of 64`, and how often in steps traced.
        start: for another trace; None where steps may have changed the network.
    """

    log: StorageLog
    parameters: int
    operators: int
    assumptions: dict[str, int]
    warnings: tuple[str, ...]
    attention: dict[str, int]
    classes: int | None
    start: Start | None


def trace_step(
    build: Callable[[], Steppable],
    mode: str,
    batch: int,
    target: Target = "cuda",
    overheads: Overheads | None = None,
    nfe: int | None = None,
    kernels: Kernels | None = None,
    strategy: Strategy = "single",
    release: Release = TODAY,
    ranks: int = 1,
    start: Start | None = None,
) -> Traced:
    """Builds a workload on `meta` and traces its training step or its inference.

    Args:
        build: makes the workload; called with `meta` as the default device.
        mode: `train` or `infer`.
        batch: images per step.
        target: the device whose memory is meant.
        overheads: workspaces to be counted.
        nfe: evaluations of f in an adaptive solver's forward solve, see `segbench.estimate.assumed_steps`.
        kernels: what decides between CUDA's kernels of attention.
        release: of torch, whose habits are meant, see `segbench.estimate.older_torch`.
        strategy: whether the training is one process of several, see `segbench.workload.sharing`.
        ranks: how many share the network under FSDP.
        start: of a trace under the same conditions, overheads and mode aside: then nothing is built.
    """
    overheads = overheads_in(release, overheads or Overheads())
    trace = StorageTrace(target, overheads) if start is None else start.trace.copy(overheads)
    autocast = autocast_on_meta(target, trace.warnings.add)
    program = program_on(target, kernels, release)
    sharding = one_rank_of(ranks, trace.lifetimes) if strategy == "fsdp" else contextlib.nullcontext()
    with permanent() as settled, like(target, release), sharding as shard, program as attention, autocast, trace:
        if start is None:
            start = _built(build, shard, trace)
            settled()
            attention.taken.clear()  # a builder may have tried its network
        torch.set_rng_state(start.randomness)
        workload, network = start.workload, start.workload.network
        known = hides_nothing(network)
        owners = _label_parameters(trace, network)
        buckets = bucket_gradients(network.parameters(), strategy if mode == "train" else "single")
        for bucket in buckets:
            trace.lifetimes.label(bucket, "gradients", "buckets")
        trace.warnings.look_at_modules(network)
        evaluating = RepeatedCalls(trace).of if known and strategy != "fsdp" else lambda f: f
        assumed = assuming_steps(nfe, trace.mirrors, trace.warnings.add, evaluating)
        with trace.modules.following(network), _phases(trace, owners), assumed:
            log, alike = _run_steps(workload, mode, batch, trace)
    reusable = known and alike and strategy == "single" and _left_as_built(start, trace)
    parameters = sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
    return Traced(
        log=log,
        parameters=parameters,
        operators=trace.operators,
        assumptions=dict(trace.mirrors.assumptions),
        warnings=tuple(trace.warnings.sentences),
        attention=dict(attention.taken),
        classes=None if mode == "train" and own_loss(network) is not None else trace.classes,
        start=start if reusable else None,
    )


def _built(build: Callable[[], Steppable], shard: Shard | None, trace: StorageTrace) -> Start:
    trace.enter("build", step=0)
    with torch.device("meta"):
        workload = build()
    if shard is not None:
        shard(workload.network, workload.optimizer)
    return Start(workload, trace.copy(), torch.get_rng_state())


def _run_steps(workload: Steppable, mode: str, batch: int, trace: StorageTrace) -> tuple[StorageLog, bool]:
    """The steps, copied from the one before where they can be, and whether only the first was run."""
    copied, before = None, None
    for step in range(1, STEPS + 1):
        kept = kept_values(workload.network, trace.mirrors)
        unchanged, before = kept == before, kept
        if unchanged and step > (1 if mode == "infer" else 2):
            copied = _repeated(trace.log(), STEPS + 1 - step)
        if copied is None:
            trace.enter("forward", step)
            second = step == 2 and unchanged and type(workload.optimizer) in ALIKE_FROM_THE_FIRST_STEP
            copied = _run_step(workload, mode, batch, trace, second)
        if copied is not None:
            return copied, step == 2
    return trace.log(), False


def _left_as_built(start: Start, trace: StorageTrace) -> bool:
    """Whether nothing is left of steps that were all alike, once gradients and the optimizer's state are given up.

    What a builder that tries its network asked for was counted by the overheads of that time.
    """
    start.workload.network.zero_grad(set_to_none=True)
    if start.workload.optimizer is not None:
        start.workload.optimizer.state.clear()
    tried = any(record.role == "workspaces" for record in start.trace.lifetimes.records)
    return not tried and trace.lifetimes.alive == start.trace.lifetimes.alive


def _run_step(workload: Steppable, mode: str, batch: int, trace: StorageTrace, second: bool) -> StorageLog | None:
    """One step that makes its own batch, so that the batch is part of the peak.

    Args:
        second: it is the second one, and like the first if that is a training step.

    Returns:
        The whole log, where the rest of the second step and all further ones could be copied.
    """
    images, labels = workload.make_batch(batch)
    trace.lifetimes.label(images, "inputs")
    trace.lifetimes.label(labels, "inputs")
    if mode == "infer":
        del labels
        trace.classes = workload.infer(images).shape[1]
        return None
    workload.network.zero_grad(set_to_none=True)  # as a training step does first
    copied = _repeated(with_second_step(trace.log()), STEPS - 2) if second else None
    if copied is None:
        workload.train_step(images, labels)
    return copied


def _repeated(log: StorageLog | None, times: int) -> StorageLog | None:
    """The log with so many copies of its last step; None where it cannot be copied."""
    for _ in range(times):
        log = log and with_step_repeated(log)
    return log


def _label_parameters(trace: StorageTrace, network: nn.Module) -> dict[torch.Tensor, str]:
    """Tells the trace of parameters and buffers; the name of the module that owns each parameter."""
    for name, tensor in itertools.chain(network.named_parameters(), network.named_buffers()):
        trace.lifetimes.label(local(tensor), "parameters", name.rpartition(".")[0])
    return {parameter: name.rpartition(".")[0] for name, parameter in network.named_parameters()}


@contextlib.contextmanager
def _phases(trace: StorageTrace, owners: dict[torch.Tensor, str]) -> Iterator[None]:
    """Tells the trace when the backward pass and the optimizer start, and what they leave behind."""
    original = torch.autograd.backward
    depth = 0

    def backward(*args: Any, **kwargs: Any) -> None:
        nonlocal depth
        if not depth:  # checkpointing may start another backward pass within the first
            trace.enter("backward")
        depth += 1
        try:
            original(*args, **kwargs)
        finally:
            depth -= 1
        for parameter, owner in owners.items():
            trace.lifetimes.label(None if parameter.grad is None else local(parameter.grad), "gradients", owner)

    def before_update(_optimizer: Optimizer, _args: Any, _kwargs: Any) -> None:
        trace.enter("optimizer")

    def after_update(optimizer: Optimizer, _args: Any, _kwargs: Any) -> None:
        for parameter, state in optimizer.state.items():
            for tensor in tensors_in(state.values()):
                trace.lifetimes.label(local(tensor), "optimizer state", owners.get(parameter))
        trace.enter("after the update")

    handles = register_optimizer_step_pre_hook(before_update), register_optimizer_step_post_hook(after_update)
    torch.autograd.backward = backward
    try:
        yield
    finally:
        torch.autograd.backward = original
        for handle in handles:
            handle.remove()
