"""One training step or one inference of a case: what every meter of cost runs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

from segbench.cards.datasets import IGNORE
from segbench.cards.model import find_model
from segbench.libraries.traits import own_loss, traits_of
from segbench.records.case import Case
from segbench.workload.images import Batch, batch_source
from segbench.workload.network import build_case_network, require_classes
from segbench.workload.optimizer import build_optimizer
from segbench.workload.outputs import OutputReader
from segbench.workload.precision import autocast, require_trainable

_LEAST_SIDE = 64
"""Pixels that a network with strides up to 32 still takes."""


@dataclass
class Workload:
    """A case made runnable.

    Attributes:
        case: what was asked.
        network: on `device`.
        optimizer: of the card's recipe or the case's; None for `none`.
        device: where everything lives; `meta` for a prediction.
        batches: gives a batch of so many images.
        scaler: scales the loss under fp16, does nothing otherwise.
        outputs: takes class scores out of what the network returns.
    """

    case: Case
    network: nn.Module
    optimizer: torch.optim.Optimizer | None
    device: torch.device
    batches: Callable[[int], Batch]
    scaler: torch.amp.GradScaler
    outputs: OutputReader = field(default_factory=OutputReader)

    def make_batch(self, count: int | None = None) -> Batch:
        """A training batch of `count` images, the case's batch size by default."""
        images, labels = self.batches(count or self.case.batch_size)
        if self.case.channels_last:
            images = images.contiguous(memory_format=torch.channels_last)
        return images, labels

    def train_step(self, images: Tensor, labels: Tensor) -> Tensor:
        """Forward, cross-entropy over the labelled pixels, backward, optimizer step; the loss, detached."""
        self.network.train()
        self.network.zero_grad(set_to_none=True)
        loss = self.loss(images, labels)
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        if self.optimizer is not None:
            self.scaler.step(self.optimizer)
            self.scaler.update()
        return loss.detach()

    @property
    def awaits_momenta(self) -> bool:
        """Whether the optimizer keeps a state and has none yet.

        fp16's scaler skips steps whose gradients overflow, as the first ones do: they are cheaper than later ones.
        """
        if self.optimizer is None or self.optimizer.state:
            return False
        return not (isinstance(self.optimizer, torch.optim.SGD) and not self.optimizer.defaults["momentum"])

    def prepare(self, step_too: bool) -> None:
        """What lasts as long as the training is made before the steps that count.

        Args:
            step_too: whether they are the first, so that the optimizer has to make its state now.
        """
        if step_too:
            self.make_momenta()

    def make_momenta(self) -> None:
        """Lets the optimizer make its state, which is the same after a small step."""
        if self.awaits_momenta:
            self.small_step()

    def small_step(self) -> None:
        """A step on a corner of the images; a network that does not take the smaller size makes a whole one."""
        images, labels = self.make_batch()
        height, width = (max(_LEAST_SIDE, side // 4) for side in images.shape[-2:])
        try:
            self.train_step(images[..., :height, :width], labels[..., :height, :width])
        except Exception:  # a fixed input size, or one value a channel for batch norm: whatever its code raises
            self.train_step(images, labels)

    def loss(self, images: Tensor, labels: Tensor) -> Tensor:
        """Mean cross-entropy of full-size class scores; the weighted sum of all outputs' where there are several.

        A loss of the network's own goes before it: see `own_loss`.
        """
        own = own_loss(self.network)
        with self.autocast():
            if own is not None:
                return own(images, labels)
            read = self.outputs.supervised(self.network(images), (images.shape[-2], images.shape[-1]))
            losses = [(share, functional.cross_entropy(logits, labels, ignore_index=IGNORE)) for share, logits in read]
            if len(losses) == 1:  # no further operator in a step whose bytes are counted
                return losses[0][1]
            return torch.stack([share * loss for share, loss in losses]).sum()

    @torch.no_grad()
    def infer(self, images: Tensor) -> Tensor:
        """Class scores `(N, classes, H, W)` in `eval` without gradients."""
        self.network.eval()
        with self.autocast():
            return self.outputs.logits(self.network(images), (images.shape[-2], images.shape[-1]))

    def autocast(self) -> AbstractContextManager[object]:
        """Mixed precision as the case says."""
        return autocast(self.case.precision, self.device)


def build_workload(case: Case, device: torch.device | str) -> Workload:
    """The case's network, optimizer and batches on a device.

    Raises:
        UserError: the network gives another number of classes than the case says, or fp16 is asked of the CPU.
        CardError: the card's builder fails.
        DataError: the data set cannot be opened.
    """
    device = torch.device(device)
    require_trainable(case.precision, device)
    with device:
        network = build_case_network(case)
    network = network.to(device)  # buffers a builder made elsewhere
    if case.channels_last:
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch leaves it out of its stubs
    recipe = find_model(case.model).card.recipe
    optimizer = build_optimizer(case.optimizer, recipe, network.parameters())
    scaler = torch.amp.GradScaler(device.type, enabled=case.precision == "fp16" and device.type == "cuda")
    batches = batch_source(case, device, traits_of(network))
    return Workload(case, network, optimizer, device, batches, scaler, OutputReader.of(case, network))


def check_classes(workload: Workload, logits: Tensor) -> None:
    """Refuses a network whose output does not have the case's classes.

    Raises:
        UserError: the sentence says both numbers.
    """
    case = workload.case
    require_classes(case.model, logits.shape[1], case.classes, f"use --classes {logits.shape[1]}")
