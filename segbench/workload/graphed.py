"""A whole network's inference as one CUDA graph: what is left of its time when no kernel waits for Python.

At batch 1 the networks of Table 2 launch 850 to 1,100 kernels, each 8 to 15 us of the host's time for a few us of
arithmetic: launched one by one they are compared by their Python. After torch's manual, "whole-network capture".
Not yet run on CUDA hardware.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor

from segbench.layers.precision import Precision
from segbench.ode.cuda_graphs import captured


class GraphedNetwork:
    """Replays a network on CUDA; called without gradients and with images of one shape and layout.

    Autocast rounds the weights anew in every replay: copies kept from the warm-up would be freed at its end, and the
    graph would go on reading their memory.

    Args:
        name: of the network, for the refusal.
        network: in `eval`.
    """

    def __init__(self, name: str, network: Callable[[Tensor], Any]) -> None:
        self._name = name
        self._network = network
        self._images: Tensor | None = None
        self._replay: Callable[[], object] = _nothing
        self._output: Any = None

    def __call__(self, images: Tensor) -> Any:
        """What the network gives, in memory that the next call overwrites.

        Raises:
            NotImplementedError: the network cannot be captured; the sentence says what it did.
        """
        if self._images is None:
            self._capture(images)
        assert self._images is not None
        self._images.copy_(images)
        self._replay()
        return self._output

    def _capture(self, images: Tensor) -> None:
        fixed = images.clone()

        def run() -> Any:
            with Precision.around(fixed).reopened(cache=False):
                return self._network(fixed)

        try:
            graph, self._output = captured(run, nullcontext())
        except RuntimeError as error:
            if any(isinstance(item, torch.OutOfMemoryError) for item in _causes(error)):
                raise
            raise NotImplementedError(self._refusal(error)) from error
        self._images, self._replay = fixed, graph.replay

    def _refusal(self, error: RuntimeError) -> str:
        # The end of a spoilt capture raises an error of its own; what spoilt it is the first one.
        *_, first = _causes(error)
        what = str(first).strip().partition("\n")[0]
        return (
            f"{self._name} cannot be captured as a CUDA graph ({what}); a network that reads its values on the host, "
            "as an adaptive solver does, has no fixed list of kernels: measure it without the graph"
        )


def _nothing() -> None: ...


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it came from, latest first."""
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__ or found.__context__
