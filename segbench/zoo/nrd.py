"""NRD: each place of a coarse map writes a tiny network of its own, which decodes its patch of the labels (Zhang, Liu,
Tian, Shen, NeurIPS 2021, arXiv 2107.14428).

The weights depend on the image and the cost does not: nothing is skipped. Where the paper leaves a thing open, the
authors' code (github.com/aim-uofa/NRD_decoder) decides.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from segbench.zoo.blocks import conv_norm_relu, pooled, resize, size_of
from segbench.zoo.heads import FCNHead
from segbench.zoo.resnet import ResNetBody, doubling

PATCH = 8
"""Side of what a place decodes: from stride 32 to stride 4."""


class NRD(nn.Module):
    """A ResNet to stride 32, context from dilated convolutions, and the decoder.

    The encoder is not dilated. In training a second head over the third stage gives auxiliary scores.

    Args:
        classes: of the scores.
        depth: of the ResNet.
        width: of its first stage.
        context_width: channels of the context and of the controller's convolution.
        hidden: channels of the tiny networks.
        guidance: channels that they see of the first stage beside the position.
        low_width: channels before the guidance.
    """

    def __init__(
        self,
        classes: int = 11,
        depth: int = 50,
        width: int = 64,
        context_width: int = 512,
        hidden: int = 16,
        guidance: int = 16,
        low_width: int = 48,
    ) -> None:
        super().__init__()
        self.body = ResNetBody(depth, widths=doubling(width), stem=width)
        last = self.body.channels
        self.context = SeparableASPP(last, context_width)
        self.guidance = nn.Sequential(*conv_norm_relu(last // 8, low_width), nn.Conv2d(low_width, guidance, 1))
        self.decoder = PatchDecoder(context_width, guidance, classes, hidden)
        self.auxiliary = FCNHead([last // 2], classes)

    def forward(self, images: Tensor) -> Tensor | dict[str, Tensor]:
        """`images` `(N, 3, H, W)` -> logits `(N, classes, H, W)`; in training auxiliary ones too, at stride 16."""
        maps, stages = self.body.stem(images), []
        for stage in self.body.stages:
            maps = stage(maps)
            stages.append(maps)
        scores = resize(self.decoder(self.context(maps), self.guidance(stages[0])), size_of(images))
        return {"out": scores, "aux": self.auxiliary(stages[2:3])} if self.training else scores


class PatchDecoder(nn.Module):
    """Three layers a place, applied to position and guidance (section 3.1).

    A controller writes the parameters: weights and biases of (2 + guidance) -> hidden -> hidden -> classes. All pixels
    of a patch go through them in one matrix product a layer.

    Args:
        inputs: channels of the coarse maps.
        guidance: channels of the fine maps.
        classes: of the scores.
        hidden: channels between.
    """

    def __init__(self, inputs: int, guidance: int, classes: int, hidden: int = 16) -> None:
        super().__init__()
        self.shapes = [(2 + guidance, hidden), (hidden, hidden), (hidden, classes)]
        count = sum(ins * outs + outs for ins, outs in self.shapes)
        self.controller = nn.Sequential(*conv_norm_relu(inputs, inputs), nn.Conv2d(inputs, count, 1))
        self.norm = nn.BatchNorm2d(2 + guidance)
        writer = self.controller[-1]
        nn.init.xavier_normal_(writer.weight, gain=1 / count)  # type: ignore[arg-type]  # tiny networks start near zero
        nn.init.zeros_(writer.bias)  # type: ignore[arg-type]

    def forward(self, coarse: Tensor, guidance: Tensor) -> Tensor:
        """Scores `(N, classes, H, W)`.

        Args:
            coarse: `(N, inputs, h, w)`.
            guidance: `(N, guidance, H, W)`, where 8 h and 8 w are H and W rounded up; continued at its edges.
        """
        height, width = size_of(guidance)
        rows, columns = size_of(coarse)
        fill = (0, PATCH * columns - width, 0, PATCH * rows - height)
        seen = functional.pad(guidance, fill, mode="replicate")
        seen = self.norm(torch.cat([positions(seen), seen], 1))
        decoded = decode(_patches(seen), self.controller(coarse).permute(0, 2, 3, 1).flatten(0, 2), self.shapes)
        return _together(decoded, rows, columns)[..., :height, :width]


class SeparableASPP(nn.Module):
    """Depthwise separable convolutions of several dilations, a 1x1 convolution and the image's average, merged by a
    3x3 convolution (mmsegmentation's `DepthwiseSeparableASPPHead`, at the authors' rates).

    Args:
        inputs: channels of the maps.
        width: channels of each branch, and out.
        rates: dilations.
    """

    def __init__(self, inputs: int, width: int, rates: Sequence[int] = (3, 6, 9)) -> None:
        super().__init__()
        self.average = pooled(1, inputs, width)
        self.ranges = nn.ModuleList([nn.Sequential(*conv_norm_relu(inputs, width, 1))])
        self.ranges.extend(_separable(inputs, width, rate) for rate in rates)
        self.fusion = nn.Sequential(*conv_norm_relu((len(rates) + 2) * width, width))

    def forward(self, maps: Tensor) -> Tensor:
        """`(N, inputs, h, w)` -> `(N, width, h, w)`."""
        average = self.average(maps).expand(-1, -1, *size_of(maps))
        return self.fusion(torch.cat([average, *(branch(maps) for branch in self.ranges)], 1))  # type: ignore[no-any-return]


def positions(maps: Tensor) -> Tensor:
    """Column and row of each pixel within its patch, 0 to 7/8, `(N, 2, H, W)`."""
    rows, columns = (torch.arange(side, device=maps.device) % PATCH / PATCH for side in size_of(maps))
    both = torch.stack(torch.meshgrid(columns, rows, indexing="xy")).to(maps.dtype)
    return both.expand(len(maps), -1, -1, -1)


def decode(seen: Tensor, parameters: Tensor, shapes: Sequence[tuple[int, int]]) -> Tensor:
    """What each place's network makes of its patch `(places, pixels, classes)`.

    Args:
        seen: `(places, pixels, inputs)`.
        parameters: `(places, count)`: of each layer the weights, input by input, and the biases.
        shapes: inputs and outputs of each layer; a ReLU stands between two.
    """
    parts = torch.split(parameters, [size for ins, outs in shapes for size in (ins * outs, outs)], 1)
    for layer, (ins, outs) in enumerate(shapes):
        weight, bias = parts[2 * layer].view(-1, ins, outs), parts[2 * layer + 1][:, None]
        seen = torch.baddbmm(bias, functional.relu(seen) if layer else seen, weight)
    return seen


def _patches(maps: Tensor) -> Tensor:
    """`(N, C, 8 h, 8 w)` -> `(N h w, 64, C)`."""
    count, channels, height, width = maps.shape
    cut = maps.reshape(count, channels, height // PATCH, PATCH, width // PATCH, PATCH)
    return cut.permute(0, 2, 4, 3, 5, 1).reshape(-1, PATCH * PATCH, channels)


def _together(patches: Tensor, rows: int, columns: int) -> Tensor:
    """`(N h w, 64, C)` -> `(N, C, 8 h, 8 w)`."""
    cut = patches.view(-1, rows, columns, PATCH, PATCH, patches.shape[-1])
    return cut.permute(0, 5, 1, 3, 2, 4).flatten(4).flatten(2, 3)


def _separable(inputs: int, outputs: int, dilation: int) -> nn.Sequential:
    depthwise = nn.Conv2d(inputs, inputs, 3, padding=dilation, dilation=dilation, groups=inputs, bias=False)
    return nn.Sequential(depthwise, nn.BatchNorm2d(inputs), nn.ReLU(inplace=True), *conv_norm_relu(inputs, outputs, 1))
