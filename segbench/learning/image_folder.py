"""Images sorted into one folder a class, as ImageNet usually lies on a disk: for pretraining."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError

from segbench.data.broken import BrokenFile
from segbench.data.dataset import Pixels
from segbench.errors import DataError
from segbench.learning.augment import crop_image, draw
from segbench.learning.feed import AugmentedSample
from segbench.learning.plan import Augmentation, TrainingPlan

_ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp")

IMAGENET = Augmentation(scale_jitter=(1.0, 3.5), aspect=0.288)
"""Boxes of 8 to 100 % of the area and aspects from 3/4 to 4/3, the usual ImageNet crop (Szegedy et al., CVPR 2015)."""

CENTRE = Augmentation(scale_jitter=(1 / 0.875, 1 / 0.875), aspect=0, flip=0, brightness=0, contrast=0, saturation=0)
"""The usual test crop: 224 of 256 pixels, in the middle."""


@dataclass(frozen=True)
class ImageFolder:
    """`ROOT/SPLIT/CLASS/*.jpg`; classes are numbered in the order of their folders' names.

    Attributes:
        root, split: where it lies.
        classes: the training split's names, which number the classes of the others too; None for that split itself.
    """

    root: Path
    split: str
    classes: tuple[str, ...] | None = None

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """The training split's folders, sorted.

        Raises:
            DataError: no such split, no folders in it, or one that the training split has not.
        """
        folder = self.root / self.split
        names = tuple(sorted(path.name for path in folder.iterdir() if path.is_dir())) if folder.is_dir() else ()
        if not names:
            raise DataError(f"{folder} has no folders of images; expected {self.root}/{{train,val}}/CLASS/*.jpg")
        if self.classes is None:
            return names
        unknown = [name for name in names if name not in self.classes]
        if unknown:
            raise DataError(f"{folder} has classes that were not trained: {', '.join(unknown[:5])}; take them out")
        return self.classes

    @cached_property
    def files(self) -> tuple[tuple[Path, int], ...]:
        """Every image and its class, in a fixed order.

        Raises:
            DataError: there are none.
        """
        folder = self.root / self.split
        found = tuple(
            (path, number)
            for number, name in enumerate(self.class_names)
            for path in sorted((folder / name).glob("*"))
            if path.suffix.lower() in _ENDINGS
        )
        if not found:
            raise DataError(f"{folder} holds no image ({', '.join(_ENDINGS)})")
        return found

    @cached_property
    def fingerprint(self) -> str:
        """Changes with the names and sizes of the files; the same wherever they lie."""
        lines = (f"{self.class_names[number]}/{path.name} {path.stat().st_size}\n" for path, number in self.files)
        return hashlib.sha256("".join(lines).encode()).hexdigest()[:16]

    def __len__(self) -> int:
        return len(self.files)

    def image(self, index: int, shortest: int) -> Pixels:
        """The decoded image `(H, W, 3)`; a JPEG may be decoded smaller, with sides of at least `shortest` pixels.

        Raises:
            DataError: it cannot be decoded.
        """
        path = self.files[index][0]
        try:
            with Image.open(path) as image:
                image.draft("RGB", (shortest, shortest))
                return np.asarray(image.convert("RGB"))
        except (OSError, UnidentifiedImageError) as error:
            raise BrokenFile(path, f"cannot be decoded: {error}") from error


@dataclass(frozen=True)
class ImageAugmenter:
    """Cuts whole images with their class.

    Attributes:
        folder: where they lie.
        plan: sizes and augmentation.
    """

    folder: ImageFolder
    plan: TrainingPlan

    def __len__(self) -> int:
        return len(self.folder)

    def __call__(self, index: int, numbers: Sequence[float], /) -> AugmentedSample:
        size = self.plan.width, self.plan.height
        image = self.folder.image(index, shortest=int(max(size) * self.plan.augmentation.scale_jitter[1]))
        drawn = draw(self.plan.augmentation, (image.shape[1], image.shape[0]), size, numbers)
        target = torch.tensor(self.folder.files[index][1])
        return crop_image(image, drawn, size), target, torch.from_numpy(drawn.colour)
