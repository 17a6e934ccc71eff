"""Class scores of an image under a protocol: scaled, mirrored, cut into windows, fused, brought to the label's size."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from segbench.data.dataset import Pixels
from segbench.evaluation.fusion import LogMeans, Means
from segbench.evaluation.protocol import Protocol
from segbench.libraries.traits import Traits
from segbench.workload.images import normalise_images

Network = Callable[[Tensor], Tensor]
"""Normalised images `(N, 3, H, W)` to class scores `(N, C, H, W)` of the same size."""

FlipPairs = Sequence[tuple[int, int]]
"""Classes that change places when an image is mirrored (left arm, right arm)."""


@torch.no_grad()
def class_scores(
    network: Network,
    images: Tensor,
    size: tuple[int, int],
    protocol: Protocol,
    flip_pairs: FlipPairs = (),
    traits: Traits | None = None,
) -> Tensor:
    """Scores `(N, C, h, w)` at the labels' size; their argmax is the answer.

    As in HRNet's repository, logits of mirrored images are averaged before they are fused, windows and scales after.
    One scale without windows gives the bilinearly enlarged logits themselves. Sums of exponentials come as their
    logarithms: exp would overflow above 88, and vanish below -104.

    Args:
        network: takes and gives full-size maps; in `eval` mode.
        images: `(N, 3, H, W)` uint8.
        size: (h, w) of the labels.
        protocol: what to do.
        flip_pairs: of the data set.
        traits: of the network: what is taken out of the images.
    """

    def ask(inputs: Tensor) -> Tensor:
        logits = _mirrored_mean(network, inputs, flip_pairs) if protocol.flip else network(inputs)
        return logits.float() if exponential else logits.float().softmax(1) if protocol.fuses else logits

    exponential = protocol.fuses and protocol.fusion == "exp_logits"
    means = LogMeans() if exponential else Means()
    width, height = protocol.input_size(images.shape[-1], images.shape[-2])
    total: Tensor | None = None
    for scale in protocol.scales:
        scaled = resize_batch(images, round(width * scale), round(height * scale))
        score = means.enlarged(_at_size(scaled, ask, scale, protocol, means, traits), size)
        total = score if total is None else means.sum(total, score)
    assert total is not None  # a protocol has at least one scale
    return total


def resize_batch(images: Tensor, width: int, height: int) -> Tensor:
    """`(N, 3, height, width)` uint8, bilinear with the filter widened when shrinking (as Pillow does; +-1 level)."""
    if images.shape[-2:] == (height, width):
        return images
    return functional.interpolate(images, size=(height, width), mode="bilinear", antialias=True)


def as_batch(images: Sequence[Pixels]) -> Tensor:
    """`(N, 3, H, W)` uint8 of images `(H, W, 3)` of one size."""
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)


def _at_size(
    images: Tensor, ask: Network, scale: float, protocol: Protocol, means: Means, traits: Traits | None
) -> Tensor:
    """Scores of images already scaled, whole or in windows, padding cut off again."""
    height, width = images.shape[-2:]
    inputs = normalise_images(images.permute(0, 2, 3, 1), traits)
    inputs = functional.pad(inputs, (0, -width % protocol.multiple, 0, -height % protocol.multiple))
    if protocol.window is None or scale <= protocol.whole_up_to:
        return ask(inputs)[..., :height, :width]
    return _in_windows(inputs, ask, protocol.window, protocol.stride, means)[..., :height, :width]


def _in_windows(inputs: Tensor, ask: Network, window: tuple[int, int], stride: float, means: Means) -> Tensor:
    """The mean of the scores of overlapping windows; images smaller than a window are padded to it."""
    width, height = window
    inputs = functional.pad(inputs, (0, max(0, width - inputs.shape[-1]), 0, max(0, height - inputs.shape[-2])))
    total: Tensor | None = None
    count = inputs.new_zeros(inputs.shape[-2:])
    for top in _starts(inputs.shape[-2], height, stride):
        for left in _starts(inputs.shape[-1], width, stride):
            place = (..., slice(top, top + height), slice(left, left + width))
            scores = ask(inputs[place])
            if total is None:
                total = scores.new_full((*scores.shape[:2], *inputs.shape[-2:]), means.nothing)
            total[place] = means.sum(total[place], scores)
            count[place] += 1
    assert total is not None  # there is at least one window
    return means.shared(total, count)


def _starts(length: int, window: int, stride: float) -> Iterator[int]:
    """Where windows begin; the last one ends with the image, so it may overlap more."""
    step = max(1, int(window * stride))
    yield from range(0, length - window, step)
    yield length - window


def _mirrored_mean(network: Network, inputs: Tensor, flip_pairs: FlipPairs) -> Tensor:
    straight = network(inputs)
    mirrored = network(inputs.flip(-1)).flip(-1)
    return (straight + mirrored[:, swapped(straight.shape[1], flip_pairs)]) / 2


def swapped(classes: int, flip_pairs: FlipPairs) -> list[int]:
    """The class indices with the pairs exchanged: `[0, 2, 1]` for three classes and the pair (1, 2)."""
    order = list(range(classes))
    for one, other in flip_pairs:
        order[one], order[other] = other, one
    return order
