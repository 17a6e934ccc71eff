"""Times an inference as a user meets it: pictures in the host's memory in, label maps in the host's memory out."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from segbench.meters.sampling import Timing
from segbench.meters.stopwatch import Stopwatch
from segbench.workload.images import normalise_images
from segbench.workload.step import Workload, check_classes

PARTS = ("copy_in", "normalise", "forward", "argmax", "copy_out")
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
        self._network: Callable[[Tensor], Tensor] = workload.network.eval()
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
        watch, workload = self._watch, self._workload
        watch.start()
        pictures = self._pictures.to(workload.device, non_blocking=True)
        watch.lap("copy_in")
        images = normalise_images(pictures)
        if workload.case.channels_last:
            images = images.contiguous(memory_format=torch.channels_last)
        watch.lap("normalise")
        with workload.autocast():
            scores = self._network(images)
        watch.lap("forward")
        scores = workload.outputs.logits(scores, (images.shape[-2], images.shape[-1]))
        labels = scores.argmax(dim=1).to(self.labels.dtype)
        watch.lap("argmax")
        self.labels.copy_(labels, non_blocking=True)
        watch.lap("copy_out")
        timing = watch.stop()
        check_classes(workload, scores)
        if self.finite is None:
            self.finite = bool(torch.isfinite(scores).all())
        return timing
