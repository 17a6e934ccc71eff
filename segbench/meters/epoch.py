"""Times a training step in four parts: waiting for the batch, forward with loss, backward, optimizer."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from segbench.meters.sampling import Timing
from segbench.meters.stopwatch import Stopwatch
from segbench.workload.images import Batch
from segbench.workload.step import Workload

STEP_PARTS = ("data", "forward", "backward", "optimizer")
"""In order."""


class TrainingStep:
    """One step after the other, each waited for, as a loop does that reads its loss.

    Args:
        workload: network, loss and optimizer.
        next_batch: images and labels on the workload's device; what it takes is the part `data`.
        watch: for the device.
    """

    def __init__(self, workload: Workload, next_batch: Callable[[], Batch], watch: Stopwatch) -> None:
        self._workload = workload
        self._next_batch = next_batch
        self._watch = watch
        self.loss: Tensor | None = None
        """Of the last step, detached."""

    def __call__(self) -> Timing:
        """Takes one step."""
        watch, workload = self._watch, self._workload
        workload.network.train()
        watch.start()
        images, labels = self._next_batch()
        watch.lap("data")
        workload.network.zero_grad(set_to_none=True)
        loss = workload.loss(images, labels)
        watch.lap("forward")
        workload.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        watch.lap("backward")
        if workload.optimizer is not None:
            workload.scaler.step(workload.optimizer)
            workload.scaler.update()
        watch.lap("optimizer")
        self.loss = loss.detach()
        return watch.stop()
