"""U-Node: a U-Net whose convolution blocks are ODEs (Pinckaers and Litjens, arXiv 1910.10470, figure 1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor, nn
from torch.nn import functional

from segbench.errors import UnknownName
from segbench.zoo.level_u import LevelU
from segbench.zoo.map_ode import MapODE, TimeConv, answers_at

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "leaky-relu": functional.leaky_relu,
    "softplus": functional.softplus,
    "relu": functional.relu,
}
"""The authors' notebook takes the first; their class has the second as its default."""


class UNodeField(nn.Module):
    """f of one level: twice instance norm, 3x3 convolution, activation; it ends with the activation.

    Args:
        channels: in and out.
        norm_first: False reproduces the released code, which computes the first norm and does not use it.
        time: the convolutions also read t (`TimeConv`).
        activation: of `ACTIVATIONS`.

    Raises:
        UnknownName: another activation.
    """

    def __init__(
        self, channels: int, norm_first: bool = True, time: bool = True, activation: str = "leaky-relu"
    ) -> None:
        super().__init__()
        if activation not in ACTIVATIONS:
            raise UnknownName("activation", activation, ACTIVATIONS)
        self.norm_first, self._activate = norm_first, ACTIVATIONS[activation]
        self.first, self.second = TimeConv(channels, time), TimeConv(channels, time)

    def forward(self, time: float | Tensor, maps: Tensor) -> Tensor:
        """`(N, channels, H, W)` -> its derivative; H and W not both 1, where instance norm has no variance."""
        if self.norm_first:
            maps = functional.instance_norm(maps)
        maps = self._activate(self.first.at(time, maps))
        return self._activate(self.second.at(time, functional.instance_norm(maps)))


class UNode(LevelU):
    """`LevelU` with an ODE in each of its nine places, in the authors' order: encoder, bottom, decoder.

    Solved by dopri5 with tolerance 1e-3 and the adjoint method, as in the authors' notebook.

    2,087 thousand parameters at width 16 and 2 classes, the authors' network. SegNode's table 1 has an enlarged one
    of unstated size. The authors score two overlapping masks; softmax classes are ours.

    Args:
        classes: of the logits.
        width: of the first level, doubled at each of the others.
        levels: with the bottom one.
        norm_first, time, activation: of f, see `UNodeField`.
        solver, gradient, steps, t_end, rtol, atol: of every block, see `segbench.ode.block.ODEBlock`.
    """

    def __init__(
        self,
        classes: int = 11,
        width: int = 48,
        levels: int = 5,
        norm_first: bool = True,
        time: bool = True,
        activation: str = "leaky-relu",
        solver: str = "dopri5",
        gradient: str = "adjoint",
        steps: int = 4,
        t_end: float = 1.0,
        rtol: float = 1e-3,
        atol: float = 1e-3,
    ) -> None:
        def ode(channels: int) -> MapODE:
            field = UNodeField(channels, norm_first, time, activation)
            return MapODE(field, solver=solver, gradient=gradient, steps=steps, t_end=t_end, rtol=rtol, atol=atol)

        super().__init__(classes, width, levels, ode)
        self.t_end = t_end

    def trajectory(self, images: Tensor, times: Sequence[float]) -> list[Tensor]:
        """Logits where all blocks end at each of `times`."""
        return answers_at(self, images, times)
