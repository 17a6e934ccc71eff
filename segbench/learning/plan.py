"""Everything that decides a training run, in one frozen record that a checkpoint can carry."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from segbench.cards.card import Recipe
from segbench.errors import UserError

Supervision = Literal["end", "all", "end+half", "end+random", "end-then-all"]


@dataclass(frozen=True)
class Augmentation:
    """How a training image is cropped, flipped and colour-jittered.

    Attributes:
        scale_jitter: range of the magnification, drawn log-uniformly. 1: the largest box of the input's aspect inside
            the frame fills the input; 2: a box half as wide; below 1 the frame is padded with ignored pixels.
        aspect: the box's aspect is changed by a factor exp(+-aspect).
        flip: probability of mirroring.
        stretch: the whole frame fills the input at scale jitter 1, its own aspect lost (LIP's way).
        brightness, contrast, saturation: factors are drawn from 1 +- this.
    """

    scale_jitter: tuple[float, float] = (1.0, 2.0)
    aspect: float = 0.1
    flip: float = 0.5
    stretch: bool = False
    brightness: float = 0.3
    contrast: float = 0.3
    saturation: float = 0.4

    def __post_init__(self) -> None:
        low, high = self.scale_jitter
        if not 0 < low <= high < math.inf:
            raise UserError(
                f"scale jitter {low:g}:{high:g} is not a range; write LOW:HIGH with 0 < LOW <= HIGH, as in 0.5:2"
            )


PLAIN = Augmentation(scale_jitter=(1.0, 1.0), aspect=0.0, flip=0.0, brightness=0.0, contrast=0.0, saturation=0.0)
"""No augmentation at all."""


@dataclass(frozen=True)
class TrainingPlan:
    """One training run; equal plans on equal data give equal weights, bit for bit on a CPU.

    Attributes:
        recipe: the card's, with the user's changes.
        width, height: the network's input in pixels.
        epochs, steps, minutes: the budget, exactly one of them. Minutes count the process's CPU time on a CPU (so that
            a busy machine costs no training) and wall time on CUDA, training steps only.
        accumulate: a batch is worked off in this many parts, in every process.
        augmentation: of the training images.
        ohem: keep only the hardest pixels.
        label_stride: the loss is taken at 1/stride of the input's size.
        validations: how often the validation set is evaluated, evenly over the run, the end included.
        save_every_s: wall seconds between checkpoints.
        sync_batch_norm: share batch statistics between processes (CUDA only).
        workers: processes that load and augment images; 0: the training process does.
    """

    recipe: Recipe = field(default_factory=Recipe)
    width: int = 480
    height: int = 360
    epochs: int | None = None
    steps: int | None = None
    minutes: float | None = None
    accumulate: int = 1
    precision: str = "fp32"
    channels_last: bool = False
    augmentation: Augmentation = field(default_factory=Augmentation)
    ohem: bool = False
    label_stride: int = 1
    validations: int = 10
    save_every_s: float = 60.0
    sync_batch_norm: bool = False
    workers: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        budgets = [name for name in ("epochs", "steps", "minutes") if getattr(self, name) is not None]
        if len(budgets) != 1:
            found = " and ".join(f"--{name}" for name in budgets) or "none"
            raise UserError(f"a training needs exactly one budget, found {found}; give --epochs, --steps or --minutes")
        if not getattr(self, budgets[0]) > 0:
            raise UserError(f"--{budgets[0]} is {getattr(self, budgets[0])}; it must be above 0")
        if self.label_stride < 1 or self.width % self.label_stride or self.height % self.label_stride:
            size = f"{self.width}x{self.height}"
            raise UserError(
                f"a loss at 1/{self.label_stride} needs an input that it divides; {size} it does not; choose another"
                " --input or --loss-stride 1"
            )
        if self.accumulate < 1:
            raise UserError(f"--accumulate is {self.accumulate}; it must be at least 1")

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "recipe": self.recipe.model_dump()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> TrainingPlan:
        """Inverse of `to_json`; fields a newer version added are ignored, names of older ones are understood."""
        known = {item.name for item in fields(cls)}
        values = {name: value for name, value in _renamed(data).items() if name in known}
        augmentation = _renamed(values["augmentation"])
        augmentation["scale_jitter"] = tuple(augmentation["scale_jitter"])
        return cls(**{**values, "recipe": Recipe(**values["recipe"]), "augmentation": Augmentation(**augmentation)})

    def differences(self, other: TrainingPlan) -> list[str]:
        """What differs, as `name: mine, not theirs`; for a resumed run that must be the same run."""
        mine, theirs = _flat(self.to_json()), _flat(other.to_json())
        return [f"{name}: {mine.get(name)}, not {theirs.get(name)}" for name in mine if mine[name] != theirs.get(name)]


def _flat(data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in data.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = list(value) if isinstance(value, tuple) else value
    return flat


_OLD_NAMES = {"cutting": "augmentation", "zoom": "scale_jitter"}
"""In checkpoints of 0.1.0 -> now."""


def _renamed(values: Mapping[str, Any]) -> dict[str, Any]:
    return {_OLD_NAMES.get(name, name): value for name, value in values.items()}
