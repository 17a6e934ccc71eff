"""How the images of each data set are cropped for training and resized for validation, readable without torch."""

from __future__ import annotations

from dataclasses import dataclass

from segbench.cards.datasets import dataset_card, read_spec
from segbench.units import parse_size


@dataclass(frozen=True)
class Crops:
    """The usual crops of a data set.

    Attributes:
        width, height: of a training crop in pixels.
        scale_jitter: range of the magnification; 1: the largest box of the crop's aspect inside the frame fills the
            crop.
        stretch: the frame is stretched to the crop's aspect first.
        short_side: validation keeps the aspect and scales the shorter side to the crop's shorter side, for data sets
            of many sizes; otherwise images are stretched to the crop's size.
        validation: (width, height) at which images are validated instead; None for the crop's size.
    """

    width: int
    height: int
    scale_jitter: tuple[float, float] = (1.0, 2.0)
    stretch: bool = False
    short_side: bool = False
    validation: tuple[int, int] | None = None


_CUTS = {
    "cityscapes": Crops(1024, 512, scale_jitter=(1.0, 4.2), validation=(2048, 1024)),
    "lip": Crops(473, 473, scale_jitter=(0.5, 1.6), stretch=True),
    "pascal-context-59": Crops(520, 520, scale_jitter=(0.5, 2.1), short_side=True),
    "pascal-context-60": Crops(520, 520, scale_jitter=(0.5, 2.1), short_side=True),
    "ade20k": Crops(520, 520, scale_jitter=(0.5, 2.1), short_side=True),
}
"""HRNet's crops and scales (its `experiments/*.yaml` and `lib/datasets`): 0.5 to 2.1 of Cityscapes' 2048 pixels is 1 to
4.2 of a crop half as wide. Its steps of 0.1 become a log-uniform range. ADE20K is cropped like PASCAL-Context
(ours)."""


def crops_of(dataset: str) -> Crops:
    """The crops of a data set by name; those without an entry fill the input with the frame, magnified up to twice.

    Raises:
        UnknownName: no such data set.
    """
    card = dataset_card(dataset)
    return _CUTS.get(card.name, Crops(card.width, card.height))


def shown_size(dataset: str, crop: tuple[int, int]) -> tuple[int, int]:
    """(width, height) at which the images of a data set are validated, for networks trained on such a crop.

    Raises:
        UnknownName: no such data set.
    """
    crops = crops_of(dataset)
    return crops.validation if crops.validation and crop == (crops.width, crops.height) else crop


def crop_of(dataset: str) -> tuple[int, int] | None:
    """(width, height) of the training crop that goes with a data set; None where any size is as good.

    Raises:
        UnknownName: no such data set.
    """
    card, options = read_spec(dataset)
    if "size" in options:
        return parse_size(options["size"])
    found = _CUTS.get(card.name)
    return (found.width, found.height) if found else None
