"""What an input-adaptive network offers: an inference, stage by stage, from which what has finished is left out.

A network does not decide. It makes a `Run`; a policy (`segbench.adaptive.policies`) reads what the run
shows after each stage and says what goes on. So every method can be given any threshold, a fixed exit, an oracle's
choice, or the decisions made for another image. Methods and units:

=========  =======================================================  ======================================
unit       one decision is about                                     networks
=========  =======================================================  ======================================
`image`    a whole image: it has its answer, or goes on              MESS, SegNode's end time
`pixel`    a pixel of the scores: it keeps its class, or goes on     Layer Cascade, ADP-C
`region`   a cell of a grid over the image: it keeps its answer      model selection, SegNode region by region
`block`    a cell of a grid: computed at high or low resolution      SegBlocks
`path`     a path of a lattice: taken or skipped                     dynamic routing
=========  =======================================================  ======================================
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

DecisionUnit = Literal["image", "pixel", "region", "block", "path"]


class NotOffered(Exception):
    """A policy asks a run for what it does not have, now or ever; the message says what and why."""


class Run(ABC):
    """One inference of a batch, under way.

    Usage: `advance()`, then decide by `read()` or `signal()`, then `keep(which)`, and so on until `is_over`.

    Args:
        count: images in the batch.
        stages: how many times `advance` can be called.
        device: of the images.

    Attributes:
        unit: what a decision is about.
        grid: rows and columns of regions or blocks; None for other units.
        cell: height and width of one of them in pixels of the images; None where the grid divides an image evenly.
        readable_at_start: whether there are scores before the first stage, as an ODE's entry state has.
        images: numbers within the batch of the images that are still running, `(n,)`, increasing.
        stage: how often `advance` was called.
    """

    unit: DecisionUnit
    grid: tuple[int, int] | None = None
    cell: tuple[int, int] | None = None
    readable_at_start = False

    def __init__(self, count: int, stages: int, device: torch.device) -> None:
        self.images = torch.arange(count, device=device)
        self.stage, self.stages = 0, stages
        self._scores: Tensor | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to compute: all stages are made, or no image runs any more."""
        return self.stage == self.stages or not len(self.images)

    def advance(self) -> None:
        """Makes the next stage for all that has not finished, and for nothing else."""
        self._scores = None
        self._advance()
        self.stage += 1

    def read(self) -> Tensor:
        """Class scores now, `(n, classes, h, w)`, of the running images, at the network's own resolution.

        What has finished within an image keeps the scores it finished with. Computed once a stage, when first asked.

        Raises:
            NotOffered: there are none before the last stage (SegBlocks, dynamic routing), or before the first.
        """
        if self._scores is None:
            self._scores = self._read()
        return self._scores

    def signal(self) -> Tensor:
        """What the network's own policy answers, one number a decision `(n, ...)`; high values ask for computation.

        Raises:
            NotOffered: it has no policy of its own: decide by the scores.
        """
        raise NotOffered("the network has no policy of its own")

    def state(self) -> tuple[Tensor, ...]:
        """Of a solver, each part `(n, ...)`.

        Raises:
            NotOffered: there is no solver.
        """
        raise NotOffered("the network has no solver, and so no state")

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a decision about all running images: what `keep` takes.

        Images and grids are known; runs of other units say their own.
        """
        return (len(self.images), *(self.grid or ()))

    def finished(self, which: Tensor) -> Tensor:
        """`(n,)` bool: the images that `keep(which)` would end. Here those of which nothing goes on."""
        return ~which.reshape(len(which), -1).any(1)

    def keep(self, which: Tensor) -> None:
        """Goes on with a part; the images that end leave the batch.

        Args:
            which: bool, `(n,)` for images, `(n, h, w)` for pixels of the scores, `(n, rows, columns)` for regions and
                blocks, `(n, cells, paths)` for paths. What has finished stays finished, whatever is said here.
        """
        rows = (~self.finished(which)).nonzero()[:, 0]
        if self._scores is not None and len(rows) < len(self.images):
            self._scores = self._scores[rows]
        self.images = self.images[rows]
        self._keep(which[rows], rows)

    @abstractmethod
    def _advance(self) -> None: ...

    @abstractmethod
    def _read(self) -> Tensor: ...

    @abstractmethod
    def _keep(self, which: Tensor, rows: Tensor) -> None:
        """`which` of the images that stay `(len(rows), ...)`, and their rows among those that ran before."""


@runtime_checkable
class Adaptive(Protocol):
    """A network that can spend less on easy inputs.

    Attributes:
        default_policy: what `forward` decides by in `eval`, as a user writes it (`confidence>0.95`); None where it
            leaves nothing out, and only `begin` can.
        simulated: why what is skipped is computed all the same on this device, so that there is no time to report; None
            where skipping is real.
        multiple_of: both sides of an image must be multiples of it, in pixels; 1 where any size will do.
    """

    @property
    def default_policy(self) -> str | None: ...
    @property
    def simulated(self) -> str | None: ...
    @property
    def multiple_of(self) -> int: ...

    def begin(self, images: Tensor) -> Run:
        """An inference of `images` `(N, 3, H, W)`, before its first stage; in `eval` and without gradients."""
        ...


def costs_vary(network: nn.Module) -> bool:
    """Whether `forward` spends what its input asks for, so that one random image would not tell the cost."""
    return isinstance(network, Adaptive) and network.default_policy is not None
