"""Times an inference as a user meets it: pictures in the host's memory in, label maps in the host's memory out.

The same pictures are inferred again and again, and the GPU's L2 cache is not emptied between calls: a program that
segments frame after frame does not empty it either. Only a network whose weights fit the cache (50 MB on an H100) finds
them there at its next call, and would do so in use.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from segbench.libraries.traits import traits_of
from segbench.meters.sampling import Clock, Timing
from segbench.meters.stopwatch import Stopwatch
from segbench.workload.graphed import GraphedNetwork
from segbench.workload.images import normalise_images
from segbench.workload.step import Workload, check_classes

LATENCY_PARTS = ("copy_in", "normalise", "forward", "argmax", "copy_out")
"""In order. `forward` is the network as it is: one that returns full-size scores up-samples within it, one that
returns smaller scores is up-sampled within `argmax`."""

COPIES = ("copy_in", "copy_out")
"""Do not happen where the network runs on the host."""


class Inference:
    """One batch of pictures, inferred again and again.

    Args:
        workload: its network is used in `eval` without gradients, under the case's precision.
        pictures: `(N, H, W, 3)` uint8 on the host.
        watch: for the workload's device.
    """

    def __init__(self, workload: Workload, pictures: Tensor, watch: Stopwatch) -> None:
        network: Callable[[Tensor], Any] = workload.network.eval()
        self._network = GraphedNetwork(workload.case.model, network) if workload.case.cuda_graph else network
        self._workload = workload
        self._watch = watch
        cuda = workload.device.type == "cuda"
        # Page-locked memory lets the copy run at full speed; a page-locked target lets it come back so.
        self._pictures = pictures.pin_memory() if cuda else pictures
        dtype = torch.uint8 if workload.case.classes <= 256 else torch.int32
        self.labels = torch.empty(pictures.shape[:3], dtype=dtype, pin_memory=cuda)
        """`(N, H, W)` uint8, int32 above 256 classes, on the host: what the last call found."""
        self.finite: bool | None = None
        """Whether the first call's scores were finite numbers; None before it."""

    @torch.no_grad()
    def __call__(self) -> Timing:
        """Infers the batch once.

        Raises:
            UserError: the network gives another number of classes than the case says.
        """
        self._watch.start()
        scores = self._submit(self._watch.lap)
        timing = self._watch.stop()
        check_classes(self._workload, scores)
        if self.finite is None:
            self.finite = bool(torch.isfinite(scores).all())
        return timing

    @torch.no_grad()
    def submit(self) -> None:
        """Hands the batch to the device and does not wait for it."""
        self._submit(_untold)

    def _submit(self, lap: Callable[[str], object]) -> Tensor:
        """Full-size class scores; `lap` hears the end of each part."""
        workload = self._workload
        pictures = self._pictures.to(workload.device, non_blocking=True)
        lap("copy_in")
        images = normalise_images(pictures, traits_of(workload.network))
        if workload.case.channels_last:
            images = images.contiguous(memory_format=torch.channels_last)
        lap("normalise")
        with workload.autocast():
            output = self._network(images)
        lap("forward")
        scores = workload.outputs.logits(output, (images.shape[-2], images.shape[-1]))
        labels = scores.argmax(dim=1).to(self.labels.dtype)
        lap("argmax")
        self.labels.copy_(labels, non_blocking=True)
        lap("copy_out")
        return scores


def pipelined_seconds(
    submit: Callable[[], object], batches: int, synchronize: Callable[[], object], clock: Clock = time.perf_counter
) -> float:
    """Seconds a batch where several are in flight: the host launches the next while the device works.

    One stream, so copies and kernels follow each other as in a single call; only the waiting between calls is gone.

    Args:
        submit: hands a batch to the device.
        batches: that are handed over before the one wait at the end.
        synchronize: waits for the device.
    """
    synchronize()
    begun = clock()
    for _ in range(batches):
        submit()
    synchronize()
    return (clock() - begun) / batches


def _untold(_: str) -> None: ...
