"""Level-set NODE: an embedding whose zero level is the contour evolves by an ODE (Valle et al., arXiv 1912.11683)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from segbench.errors import UnknownName, UserError
from segbench.layers.norms import make_norm
from segbench.ode.block import ODEBlock
from segbench.ode.state import State
from segbench.zoo.blocks import Answer, Size, main_logits, resize, size_of
from segbench.zoo.named import build_named
from segbench.zoo.signed_distance import signed_distance
from segbench.zoo.unet import UNet

Evolution = Literal["contour", "image"]

_SHARPNESS = 0.1
"""Width of the soft contour as a share of `reach`: tau in sigmoid(-phi / tau); ours."""


class LevelSetNode(nn.Module):
    """One target class as the inside of a contour, the zero level of phi, which is negative inside.

    `contour`: a coarse network's mask becomes a signed distance, cut off at `reach`; the ODE moves it, seeing features
    of the image. The mask passes no gradient back, so the coarse network learns by its own scores, which in training
    are the auxiliary ones. `image`: no mask; features of the image evolve, and a 1x1 convolution reads phi from them.

    Only these two ideas are verified (abstract of the article). Layers, the state's extra channels, which start as
    zeros, the scale of phi, training both networks at once and cross-entropy of (phi, -phi), which is binary
    cross-entropy of sigmoid(-phi / tau), are ours; there is no Dice term.

    With two classes there is one contour, class 1 against the rest, as in the article. With more, one contour a
    class and a softmax over them, which is ours and not in the article.

    Args:
        classes: of the logits.
        evolution: `contour` or `image`.
        coarse: builder of the network whose mask is moved, as in a model card; any that maps images to logits.
        coarse_arguments: its arguments.
        width: channels of the image's features and in f.
        extra: channels of the state that start as zeros.
        reach: pixels at half the image's size, beyond which phi is constant.
        geometric: phi changes by f |grad phi|, as a front that moves with speed f along its normal; then nothing
            changes farther than `reach` from a contour. False: by f.
        solver, gradient, steps, t_end, rtol, atol: see `segbench.ode.block.ODEBlock`.

    Raises:
        UnknownName: another evolution.
        UserError: a reach below 1, or a coarse network that cannot be found.
    """

    def __init__(
        self,
        classes: int = 2,
        evolution: Evolution = "contour",
        coarse: str = f"{UNet.__module__}:UNet",
        coarse_arguments: Mapping[str, Any] | None = None,
        width: int = 32,
        extra: int = 4,
        reach: int = 20,
        geometric: bool = False,
        solver: str = "dopri5",
        gradient: str = "adjoint",
        steps: int = 4,
        t_end: float = 1.0,
        rtol: float = 1e-3,
        atol: float = 1e-3,
    ) -> None:
        super().__init__()
        if evolution not in get_args(Evolution):
            raise UnknownName("evolution", evolution, get_args(Evolution))
        if reach < 1:
            raise UserError(f"reach is {reach} pixels; the distance to a contour must be known to 1 at least")
        self.contours = 1 if classes == 2 else classes
        self.extra, self.reach = extra, reach
        self.features = nn.Sequential(*_layer(3, width, 2), *_layer(width, width), *_layer(width, width))
        self.coarse: nn.Module | None = None
        if evolution == "contour":
            self.coarse = build_named(coarse, classes, coarse_arguments)
            f: nn.Module = ForcingField(self.contours, extra, width, geometric)
        else:
            f = EmbeddingField(width + extra, width)
            self.readout = nn.Conv2d(width + extra, self.contours, 1)
        self.ode = ODEBlock(f, solver=solver, gradient=gradient, steps=steps, t_end=t_end, rtol=rtol, atol=atol)

    @property
    def t_end(self) -> float:
        """The time at which `forward` answers."""
        return self.ode.t_end

    def forward(self, images: Tensor) -> Answer:
        """`images` `(N, 3, H, W)` -> logits `(N, classes, H, W)`; in training also the coarse network's, as `aux`."""
        scores = self._coarse_scores(images)
        logits = self.decode(self.ode(self._start(images, scores)), size_of(images))
        return {"out": logits, "aux": scores} if self.training and scores is not None else logits

    def trajectory(self, images: Tensor, times: Sequence[float]) -> list[Tensor]:
        """Logits at each of `times` (ascending), from one solve; at 0 the coarse network's mask."""
        states = self.ode.trajectory(self._start(images, self._coarse_scores(images)), times)
        return [self.decode(state, size_of(images)) for state in states]

    def decode(self, state: State, size: Size) -> Tensor:
        """A state at any time -> logits `(N, classes, *size)`."""
        phi = state[0] if self.coarse is not None else self.readout(state[0])
        inside = -phi / _SHARPNESS
        return resize(torch.cat([-inside, inside], 1) / 2 if inside.shape[1] == 1 else inside, size)

    def _coarse_scores(self, images: Tensor) -> Tensor | None:
        return None if self.coarse is None else resize(main_logits(self.coarse(images)), size_of(images))

    def _start(self, images: Tensor, scores: Tensor | None) -> State:
        features = self.features(images)
        zeros = features.new_zeros(len(images), self.extra, *features.shape[2:])
        if scores is None:
            return (torch.cat([features, zeros], dim=1),)
        return self._embedded(resize(scores.detach(), size_of(features))), zeros, features

    def _embedded(self, scores: Tensor) -> Tensor:
        """Coarse scores -> phi(0), `(N, contours, h, w)`, -1..1."""
        answer = scores.argmax(1, keepdim=True)
        wanted = torch.arange(scores.shape[1], device=scores.device).view(1, -1, 1, 1)[:, -self.contours :]
        return signed_distance(answer == wanted, self.reach) / self.reach


class ForcingField(nn.Module):
    """f of the contour: the change of phi and of the extra channels, from both, the image's features, and t.

    The features are a part of the state that does not change, so that every gradient method reaches them.
    """

    def __init__(self, contours: int, extra: int, width: int, geometric: bool) -> None:
        super().__init__()
        self.contours, self.extra, self.geometric = contours, extra, geometric
        self.layers = _field(contours + extra + width, width, contours + extra)

    def forward(self, time: float | Tensor, state: State) -> State:
        """`(phi, extra, features)` -> their derivatives."""
        phi, extra, features = state
        clock = torch.ones_like(phi[:, :1]) * time
        forcing, change = self.layers(torch.cat([phi, extra, features, clock], dim=1)).split(
            [self.contours, self.extra], dim=1
        )
        return forcing * slope(phi) if self.geometric else forcing, change, torch.zeros_like(features)


class EmbeddingField(nn.Module):
    """f of the image's embedding, which also reads t."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.layers = _field(channels, width, channels)

    def forward(self, time: float | Tensor, state: State) -> State:
        """The derivative of the only part."""
        (maps,) = state
        return (self.layers(torch.cat([maps, torch.ones_like(maps[:, :1]) * time], dim=1)),)


def slope(phi: Tensor) -> Tensor:
    """`|grad phi|` by central differences, a pixel being one; the border is continued. Smooth where it is 0."""
    rows = functional.pad(phi, (0, 0, 1, 1), mode="replicate")
    columns = functional.pad(phi, (1, 1, 0, 0), mode="replicate")
    down, right = (rows[:, :, 2:] - rows[:, :, :-2]) / 2, (columns[..., 2:] - columns[..., :-2]) / 2
    return (down.square() + right.square() + 1e-12).sqrt()


def _field(inputs: int, width: int, outputs: int) -> nn.Sequential:
    """Of `inputs` channels and t."""
    return nn.Sequential(*_layer(inputs + 1, width), *_layer(width, width), nn.Conv2d(width, outputs, 3, padding=1))


def _layer(inputs: int, outputs: int, stride: int = 1) -> list[nn.Module]:
    conv = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
    return [conv, make_norm("group", outputs), nn.ReLU(inplace=True)]
