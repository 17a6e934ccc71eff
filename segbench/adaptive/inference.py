"""An adaptive network under a policy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from segbench.adaptive.decisions import Everything
from segbench.adaptive.policies import Policy, Seen, parse_policy
from segbench.adaptive.run import Adaptive, NotOffered, Run
from segbench.errors import UserError

Observer = Callable[[Run, Tensor], None]
"""Sees a run after a stage, and what is to go on."""


@dataclass(frozen=True, eq=False)
class Inferred:
    """What a batch was answered.

    Attributes:
        scores: class scores `(N, classes, h, w)` at the network's own resolution.
        stages: after which each image ended.
    """

    scores: Tensor
    stages: tuple[int, ...]


@torch.no_grad()
def infer(network: Adaptive, images: Tensor, policy: Policy, observe: Observer | None = None) -> Inferred:
    """Runs until every image has its answer; nothing is read for a decision after the last stage.

    Args:
        network: in `eval`.
        images: `(N, 3, H, W)`.
        policy: asked after each stage but the last.
        observe: sees what it decided.

    Raises:
        UserError: images of a size the network cannot take; a policy that reads what the network does not have.
    """
    _require_size(network, images)
    run = network.begin(images)
    scores: dict[int, Tensor] = {}
    stages: dict[int, int] = {}
    before = policy.see(run) if policy.compares and run.readable_at_start else None
    while not run.is_over:
        run.advance()
        if run.stage == run.stages:
            _leave(run, torch.ones_like(run.images, dtype=torch.bool), scores, stages)
            break
        now, which = _decided(network, run, policy, before)
        if observe is not None:
            observe(run, which)
        leaving = run.finished(which)
        _leave(run, leaving, scores, stages)
        run.keep(which)
        before = _of(now, ~leaving)
    order = range(len(images))
    maps = torch.cat([scores[image] for image in order])  # which keeps channels_last, as `stack` would not
    return Inferred(maps, tuple(stages[image] for image in order))


def answer_by_default(network: Adaptive, images: Tensor) -> Tensor:
    """Class scores `(N, classes, h, w)` under the network's default policy: what its `forward` gives in `eval`."""
    usual = network.default_policy
    return infer(network, images, Everything() if usual is None else parse_policy(usual)).scores


def _decided(network: Adaptive, run: Run, policy: Policy, before: Seen | None) -> tuple[Seen, Tensor]:
    try:
        now = policy.see(run)
        return now, policy.goes_on(run, now, before)
    except NotOffered as error:
        usual = network.default_policy or "confidence>0.95 or change<0.05"
        raise UserError(f"policy {policy.name} is not for {type(network).__name__}: {error}; take {usual}") from error


def _leave(run: Run, leaving: Tensor, scores: dict[int, Tensor], stages: dict[int, int]) -> None:
    if not leaving.any():
        return
    numbers = range(len(run.images)) if run.images.is_meta else run.images[leaving].tolist()  # meta: all may leave
    answers = run.read()[leaving]
    for place, image in enumerate(numbers):  # `answers[place]` would lose the layout
        scores[image], stages[image] = answers[place : place + 1], run.stage


def _of(seen: Seen, rows: Tensor) -> Seen:
    if rows.all():
        return seen
    return seen[rows] if isinstance(seen, Tensor) else tuple(part[rows] for part in seen)


def _require_size(network: Adaptive, images: Tensor) -> None:
    height, width, side = images.shape[-2], images.shape[-1], network.multiple_of
    if height % side or width % side or min(height, width) < side:
        raise UserError(
            f"{type(network).__name__} takes sides that are multiples of {side} pixels, and the image has"
            f" {width}x{height}; give --input a size such as {max(1, round(width / side)) * side}x"
            f"{max(1, round(height / side)) * side}, or a smaller block with -a"
        )
