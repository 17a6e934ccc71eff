"""One image under one policy: its answer, what was decided, and the operations that were executed."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from segbench.adaptive.decisions import Decisions, Recorder
from segbench.adaptive.inference import Inferred, infer
from segbench.adaptive.policies import Policy
from segbench.adaptive.run import Adaptive, Run
from segbench.errors import UserError
from segbench.meters.operations import count_operations


@dataclass(frozen=True, eq=False)
class Asked:
    """What one image was answered.

    Attributes:
        scores: class scores `(1, classes, h, w)` at the network's own resolution.
        decisions: after each stage that it reached.
        stage: after which it ended.
        macs: multiply-accumulates that were executed, those of the decisions included.
        run: the last state of the inference; None where nothing was decided.
    """

    scores: Tensor
    decisions: Decisions
    stage: int
    macs: int
    run: Run | None


class _Watcher(Recorder):
    run: Run | None = None

    def __call__(self, run: Run, which: Tensor) -> None:
        self.run = run
        super().__call__(run, which)


def ask(network: Adaptive, image: Tensor, policy: Policy) -> Asked:
    """Runs one image alone and counts by execution.

    Args:
        network: in `eval`.
        image: `(1, 3, H, W)`.
        policy: asked after each stage.

    Raises:
        UserError: scores that are not finite; a policy of another method.
    """
    assert isinstance(network, nn.Module)
    watcher, found = _Watcher(1), list[Inferred]()
    counted = count_operations(network, lambda: found.append(infer(network, image, policy, watcher)))
    (answer,) = found
    if not torch.isfinite(answer.scores.sum()):
        raise UserError(f"{type(network).__name__} answers no finite numbers under {policy.name}; train it anew")
    return Asked(answer.scores, watcher.decisions[0], answer.stages[0], counted.total_macs, watcher.run)


def label_at(label: Tensor, scores: Tensor) -> Tensor:
    """A label at the size of scores `(1, classes, h, w)`, nearest: `(h, w)`."""
    small = functional.interpolate(label[None, None].float(), size=scores.shape[-2:], mode="nearest-exact")
    return small[0, 0].long()
