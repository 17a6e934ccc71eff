"""The residual baseline from which SegNode is derived (SegNode paper, section 3.1 and figure 2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

from torch import Tensor, nn

from segbench.errors import UnknownName
from segbench.zoo.blocks import Answer, size_of
from segbench.zoo.exchange import ExchangeModule
from segbench.zoo.hrnet import ConcatHead, HRNetFront
from segbench.zoo.ocr import OCRHead
from segbench.zoo.streams import W48, StreamEntry, StreamExit, Streams, add_streams

Variant = Literal["streams", "hrnet_front"]


class Baseline(nn.Module):
    """HRNetV2's last module, pre-activated and repeated: `h <- h + module(h)` on four streams. Not an ODE.

    Each module has weights of its own; sharing them and taking the sum for Euler steps gives SegNode.

    `streams` (reading A): SegNode's own entry and exit. The paper repeats "the last module six times" and prints 70.9
    million parameters; one module and six repetitions, seven, count 70,955,004 at 11 classes, six 60,953,628.

    `hrnet_front` (reading B): HRNetV2 up to stage three and its head, and in the place of stage four's three modules
    six residual ones with HRNet's own chains down: 71,141,867. Its cost relative to HRNetV2 is nearer to table 2,
    but no SegNode made of its module has 20.9 million parameters.

    Both readings are ours; the paper does not decide between them.

    Args:
        classes: of the logits.
        widths: channels of the four streams.
        stem: channels of the stem, and the inner ones of stage one in `hrnet_front`.
        modules: how many residual modules; None for seven in `streams` and six in `hrnet_front`.
        blocks: small blocks a stream in a module.
        norm: `batch` or `group`, in the residual modules and the `streams` entry.
        skip: small blocks add their input.
        recompute: keep one tensor instead of two for each norm, ReLU and convolution.
        variant: `streams` or `hrnet_front`.
        ocr_width: channels of an OCR head over the streams in the place of the exit (ours); None: no OCR.

    Raises:
        UnknownName: another variant.
    """

    def __init__(
        self,
        classes: int = 11,
        widths: Sequence[int] = W48,
        stem: int = 64,
        modules: int | None = None,
        blocks: int = 4,
        norm: str = "batch",
        skip: bool = False,
        recompute: bool = False,
        variant: Variant = "streams",
        ocr_width: int | None = None,
    ) -> None:
        super().__init__()
        if variant not in get_args(Variant):
            raise UnknownName("baseline variant", variant, get_args(Variant))
        plain = variant == "streams"
        self.entry = (
            StreamEntry(widths, stem, norm)
            if plain
            else HRNetFront(widths, blocks=blocks, stem=stem, stage1_width=stem)
        )
        descent: Literal["doubling", "keeping"] = "doubling" if plain else "keeping"
        count = (7 if plain else 6) if modules is None else modules
        self.exchanges = nn.ModuleList(
            ExchangeModule(widths, blocks, norm, skip, descent, recompute) for _ in range(count)
        )
        usual = StreamExit if plain else ConcatHead
        self.exit = usual(widths, classes) if ocr_width is None else OCRHead(widths, classes, ocr_width, norm)

    def forward(self, images: Tensor) -> Answer:
        """`images` `(N, 3, H, W)` -> logits `(N, classes, H, W)`."""
        streams: Streams = self.entry(images)
        for module in self.exchanges:
            streams = add_streams(streams, module(streams))
        answer: Answer = self.exit(streams, size_of(images))
        return answer
