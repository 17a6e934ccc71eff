"""A static network as an adaptive one of a single stage, so that both are asked, counted and timed alike."""

from __future__ import annotations

from torch import Tensor, nn

from segbench.adaptive.run import DecisionUnit, Run
from segbench.workload.outputs import OutputReader


class SingleStage(nn.Module):
    """A static network behind the protocol of adaptive ones.

    Args:
        network: any segmentation network.
        outputs: takes class scores out of what it returns.
    """

    default_policy: str | None = None
    simulated: str | None = None
    multiple_of = 1

    def __init__(self, network: nn.Module, outputs: OutputReader) -> None:
        super().__init__()
        self.network = network
        self.outputs = outputs

    def begin(self, images: Tensor) -> Run:
        return _OneStage(self, images)


class _OneStage(Run):
    unit: DecisionUnit = "image"

    def __init__(self, whole: SingleStage, images: Tensor) -> None:
        super().__init__(len(images), 1, images.device)
        self._whole, self._inputs = whole, images

    def _advance(self) -> None:
        size = (self._inputs.shape[-2], self._inputs.shape[-1])
        self._answer = self._whole.outputs.logits(self._whole.network(self._inputs), size)

    def _read(self) -> Tensor:
        return self._answer

    def _keep(self, which: Tensor, rows: Tensor) -> None:  # noqa: ARG002
        raise AssertionError("nothing is decided before the last stage")
