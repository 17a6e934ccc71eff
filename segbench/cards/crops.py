"""How the images of each data set are cropped for training and resized for validation, readable without torch."""

from __future__ import annotations

from segbench.cards.datasets import Crops, dataset_card, read_dataset_spec
from segbench.units import parse_size


def crops_of(dataset: str) -> Crops:
    """The crops of a data set by name; those without any fill the input with the frame, magnified up to twice.

    Raises:
        UnknownName: no such data set.
    """
    card = dataset_card(dataset)
    return card.crops or Crops(width=card.width, height=card.height)


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
    card, options = read_dataset_spec(dataset)
    if "size" in options:
        return parse_size(options["size"])
    return (card.crops.width, card.crops.height) if card.crops else None
