"""NODEs-UNet: a U-Net with an ODE behind its convolutions (Li et al., Comput. Math. Methods Med. 2021, 5590180)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from segbench.errors import UserError
from segbench.layers.norms import make_norm
from segbench.zoo.map_ode import MapODE, TimeConv, answers_at
from segbench.zoo.unet import UNet


class NodesField(nn.Module):
    """f of one level: twice group norm, ReLU, 3x3 convolution that also reads t."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = make_norm("group", channels), TimeConv(channels)
        self.norm2, self.conv2 = make_norm("group", channels), TimeConv(channels)

    def forward(self, time: float | Tensor, maps: Tensor) -> Tensor:
        """`(N, channels, H, W)` -> its derivative."""
        maps = self.conv1.at(time, functional.relu(self.norm1(maps), inplace=True))
        return self.conv2.at(time, functional.relu(self.norm2(maps), inplace=True))


class NodesUNet(UNet):
    """A U-Net that keeps its convolutions and lets an ODE follow them at each of its nine places.

    U-Node replaces the convolutions, this network adds to them ("at the end of each branch", SegNode paper, section 2).
    The article gives neither code nor f nor tolerance: f, group norm and dopri5 with 1e-3 and adjoint are our choice;
    SegNode's table 1 has an enlarged one of unstated size.

    Args:
        classes: of the logits.
        width: of the first level; 32 gives a quarter of the parameters.
        levels: with the bottom one.
        places: where ODEs follow, 0 for the first encoder level to 8 for the last decoder level (the article studies
            the place); None for all.
        solver, gradient, steps, t_end, rtol, atol: of every block, see `segbench.ode.block.ODEBlock`.

    Raises:
        UserError: no place, or one that the network has not.
    """

    def __init__(
        self,
        classes: int = 11,
        width: int = 64,
        levels: int = 5,
        places: Sequence[int] | None = None,
        solver: str = "dopri5",
        gradient: str = "adjoint",
        steps: int = 4,
        t_end: float = 1.0,
        rtol: float = 1e-3,
        atol: float = 1e-3,
    ) -> None:
        super().__init__(classes, width, levels)
        known = range(2 * levels - 1)
        if isinstance(places, int):
            raise UserError(f"places is {places}; write a list, as in places=[{places}]")
        chosen = set(known if places is None else places)
        if not chosen or not chosen <= set(known):
            raise UserError(f"places {sorted(chosen)} for ODEs; choose among 0 to {known[-1]}, or leave it out for all")
        self.t_end = t_end
        for place in sorted(chosen):
            stack, index = (self.encoder, place) if place < levels else (self.decoder, place - levels)
            channels = width << (place if place < levels else 2 * levels - 2 - place)
            ode = MapODE(
                NodesField(channels), solver=solver, gradient=gradient, steps=steps, t_end=t_end, rtol=rtol, atol=atol
            )
            stack[index] = nn.Sequential(stack[index], ode)

    def trajectory(self, images: Tensor, times: Sequence[float]) -> list[Tensor]:
        """Logits where all blocks end at each of `times`."""
        return answers_at(self, images, times)
