"""The thresholds at which a policy is judged: spread over the numbers that it would meet on the images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from segbench.adaptive.inference import infer
from segbench.adaptive.policies import POLICIES, Seen, Thresholded, parse_policy
from segbench.adaptive.run import Adaptive, Run
from segbench.errors import UserError

SHARES = (0.02, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.98)
"""Thresholds are these quantiles of the different numbers that a policy compares (our choice). Round thresholds would
all lie on one side where a network's numbers are close together, as the mean confidences of images are."""

_DIGITS = 4


_USUAL = "change"
"""Of a network that leaves nothing out unless it is told to: it needs no calibrated confidence."""


def own_policy(network: Adaptive) -> Thresholded:
    """What a network decides by if nothing else is said."""
    return parse_policy(network.default_policy or _USUAL)


@torch.no_grad()
def policies_of(network: Adaptive, asked: Sequence[str], images: Sequence[Tensor]) -> list[Thresholded]:
    """What is judged: each policy that was asked with its threshold, or the curve of one that was asked without.

    Args:
        network: in `eval`.
        asked: as the user wrote them; none: the curve of `own_policy`, its threshold included.
        images: each `(1, 3, H, W)`, on which thresholds are found; their labels play no part.

    Raises:
        UserError: a network of one stage; no such policy, a threshold out of range, a policy that reads what the
            network does not have, or one asked without a threshold of which none is possible.
    """
    if network.begin(images[0]).stages == 1:
        raise UserError(
            f"{type(network).__name__} has one stage and decides nothing; build it with more, as -a steps=8 does for"
            " a solver"
        )
    found: list[Thresholded] = []
    own = own_policy(network)
    for text in asked or [own.name, own.word]:
        policy = parse_policy(text)
        found += curve(network, policy, images) if text.strip() == policy.word else [policy]
    return sorted(dict.fromkeys(found), key=lambda policy: (policy.word, policy.limit))


def curve(network: Adaptive, policy: Thresholded, images: Sequence[Tensor]) -> list[Thresholded]:
    """The policy at the quantiles `SHARES` of the different numbers it compares, where nothing is left out.

    Raises:
        UserError: none of them is a threshold.
    """
    listener = _Listener(policy)
    for image in images:
        infer(network, image, listener)
    numbers = torch.unique(torch.cat(listener.heard).double())  # a gate that is closed for good is one number
    limits = torch.quantile(_thinned(numbers), numbers.new_tensor(SHARES)).tolist()
    make = POLICIES[policy.word][1]
    usable = [limit for limit in map(_rounded, limits) if policy.word == "signal" or 0 <= limit <= 1]
    if not usable:
        raise UserError(
            f"{policy.word} has no threshold from 0 to 1 here: what {type(network).__name__} shows lies between"
            f" {numbers[0]:.3g} and {numbers[-1]:.3g}; take another --policy, or give a threshold, as in {policy.name}"
        )
    return [make(limit) for limit in dict.fromkeys(usable)]


@dataclass
class _Listener:
    """Lets everything go on, and keeps what the policy would have compared."""

    policy: Thresholded
    heard: list[Tensor] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.name, self.compares = self.policy.name, self.policy.compares

    def see(self, run: Run) -> Seen:
        return self.policy.see(run)

    def goes_on(self, run: Run, now: Seen, before: Seen | None) -> Tensor:
        self.heard.append(self.policy.number(run, now, before).flatten().cpu())
        return torch.ones(run.shape, dtype=torch.bool, device=run.images.device)


_MOST_NUMBERS = 1_000_000
"""As many as `torch.quantile` sorts with something to spare; pixels are many."""


def _thinned(numbers: Tensor) -> Tensor:
    return numbers[:: math.ceil(len(numbers) / _MOST_NUMBERS)]


def _rounded(number: float) -> float:
    return float(f"{number:.{_DIGITS}g}")
