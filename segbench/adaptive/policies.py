"""What decides after each stage of an adaptive inference which images, pixels, regions, blocks or paths go on.

A policy is written as the condition under which a part has finished: `confidence>0.95`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from segbench.adaptive.run import NotOffered, Run
from segbench.errors import UserError

Seen = Tensor | tuple[Tensor, ...]
"""What a policy looks at, with a row for every running image."""


class Policy(Protocol):
    """Decides what goes on."""

    @property
    def name(self) -> str:
        """As the user writes it."""

    @property
    def compares(self) -> bool:
        """Whether it compares a stage with the one before, and so wants the start's scores where there are any."""

    def see(self, run: Run) -> Seen:
        """Takes from the run what it decides by."""

    def goes_on(self, run: Run, now: Seen, before: Seen | None) -> Tensor:
        """What goes on: bool, one a decision of the run's unit.

        Args:
            run: after a stage.
            now: what was seen after it.
            before: what was seen a stage earlier, of the same images; None at the first.
        """


@dataclass(frozen=True)
class Thresholded:
    """A policy by one number a decision: finished is what has it beyond the limit."""

    limit: float
    compares = False
    word = ""
    sign = "<"

    @property
    def name(self) -> str:
        return f"{self.word}{self.sign}{repr(self.limit).removesuffix('.0')}"

    def see(self, run: Run) -> Seen:
        return run.read()

    def goes_on(self, run: Run, now: Seen, before: Seen | None) -> Tensor:
        values = self.number(run, now, before)
        return values <= self.limit if self.sign == ">" else values >= self.limit

    def number(self, run: Run, now: Seen, before: Seen | None) -> Tensor:
        """What is compared with the limit, of every decision."""
        raise NotImplementedError


class _OfPixels(Thresholded):
    """By a number for every pixel, averaged over what the unit takes together."""

    def number(self, run: Run, now: Seen, before: Seen | None) -> Tensor:
        assert isinstance(now, Tensor) and not isinstance(before, tuple)
        return by_decision(run, self.of_pixels(now, before))

    def of_pixels(self, now: Tensor, before: Tensor | None) -> Tensor:
        """`(n, h, w)`."""
        raise NotImplementedError


class Confidence(_OfPixels):
    """The largest probability exceeds the limit (Layer Cascade, Li et al. 2017; of images and regions the mean)."""

    word, sign = "confidence", ">"

    def of_pixels(self, now: Tensor, before: Tensor | None) -> Tensor:  # noqa: ARG002
        return now.float().softmax(1).amax(1)


CONFIDENT = 0.9
"""Probability from which a pixel counts as confident (th_pix of MESS, Kouris et al. 2022; value ours)."""


class Share(_OfPixels):
    """More than this share of the pixels are confident, as MESS decides for images (Kouris et al. 2022)."""

    word, sign = "share", ">"

    def of_pixels(self, now: Tensor, before: Tensor | None) -> Tensor:  # noqa: ARG002
        return (now.float().softmax(1).amax(1) >= CONFIDENT).float()


class Entropy(_OfPixels):
    """The entropy of the probabilities, as a share of the largest possible, is below the limit (Huang et al. 2019)."""

    word = "entropy"

    def of_pixels(self, now: Tensor, before: Tensor | None) -> Tensor:  # noqa: ARG002
        entropy: Tensor = torch.special.entr(now.float().softmax(1)).sum(1)
        return entropy / math.log(now.shape[1])


class Change(_OfPixels):
    """Fewer than this share of the pixels have changed class in the last stage; needs no calibrated confidence."""

    word, compares = "change", True

    def of_pixels(self, now: Tensor, before: Tensor | None) -> Tensor:
        return torch.ones_like(now[:, 0]) if before is None else (now.argmax(1) != before.argmax(1)).float()


class StateChange(Thresholded):
    """The last step has moved a solver's state by less than this share of its length; needs no read-out."""

    word, compares = "state", True

    def see(self, run: Run) -> Seen:
        return run.state()

    def number(self, run: Run, now: Seen, before: Seen | None) -> Tensor:
        if run.unit != "image":
            raise NotOffered("a state is an image's as a whole")
        assert isinstance(now, tuple) and isinstance(before, tuple)
        moved = [new - old for new, old in zip(now, before, strict=True)]
        return _length(moved) / _length(now)


class Signal(Thresholded):
    """The network's own policy answers less than the limit: a block's logit (SegBlocks), a path's gate (routing)."""

    word = "signal"

    def see(self, run: Run) -> Seen:
        return run.signal()

    def number(self, run: Run, now: Seen, before: Seen | None) -> Tensor:  # noqa: ARG002
        assert isinstance(now, Tensor)
        return now


def by_decision(run: Run, values: Tensor) -> Tensor:
    """A number a pixel `(n, h, w)` as one a decision: the pixel's own, or the mean over an image, region or block."""
    if run.unit == "pixel":
        return values
    if run.unit == "image":
        return values.mean((1, 2), dtype=torch.float64)
    if run.grid is None:
        raise NotOffered("paths of a lattice are no part of an image")
    return functional.adaptive_avg_pool2d(values[:, None], run.grid)[:, 0]


def _length(parts: tuple[Tensor, ...] | list[Tensor]) -> Tensor:
    squares = [part.double().square().flatten(1).sum(1) for part in parts]
    return torch.stack(squares).sum(0).sqrt()


POLICIES: dict[str, tuple[str, Callable[[float], Thresholded], float]] = {
    "confidence": (">", Confidence, 0.95),
    "share": (">", Share, 0.95),
    "entropy": ("<", Entropy, 0.1),
    "change": ("<", Change, 0.05),
    "state": ("<", StateChange, 0.1),
    "signal": ("<", Signal, 0.0),
}
"""Word -> sign, how the policy is made, and the usual threshold."""

_ADVICE = "write confidence>0.95, share>0.95, entropy<0.1, change<0.05, state<0.1 or signal<0"


def parse_policy(text: str) -> Thresholded:
    """The policy a user means by `confidence>0.95`, or by `confidence` alone.

    Raises:
        UserError: no such policy, or a threshold out of range: 0 to 1, for a signal any finite number.
    """
    match = re.fullmatch(r"\s*([a-z]+)\s*(?:([<>])\s*(\S+))?\s*", text)
    word, sign, number = match.groups() if match else ("", None, None)
    if word not in POLICIES or sign not in (None, POLICIES[word][0]):
        raise UserError(f"{text!r} is no policy; {_ADVICE}")
    _, make, usual = POLICIES[word]
    try:
        limit = usual if number is None else float(number)
    except ValueError:
        limit = math.nan
    if not (math.isfinite(limit) if word == "signal" else 0 <= limit <= 1):
        allowed = "a number" if word == "signal" else "a number from 0 to 1"
        raise UserError(f"{text!r}: the threshold must be {allowed}; {_ADVICE}")
    return make(limit)
