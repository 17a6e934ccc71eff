"""How deep the network went at every place of an image: the stage after which each part had finished."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from segbench.adaptive.decisions import Decisions
from segbench.cards.datasets import Colour
from segbench.data import Sample
from segbench.errors import UserError
from segbench.judging.asking import Asked
from segbench.records.case import Json
from segbench.trajectories.frames import photo_and_truth, png_text, small_labels
from segbench.trajectories.sweep import classes_at

Depth = NDArray[np.uint8]
"""`(rows, columns)` of an image, region grid, block grid or map of pixels."""


_COLOURS = "inferno"


def depth_of(decisions: Decisions, stages: int) -> Depth:
    """The stage, from 1, after which each part had finished; `(1, 1)` for an image as a whole."""
    if not decisions:
        return np.full((1, 1), stages, np.uint8)
    running = np.ones(decisions[0].shape, bool)
    depth = np.ones(decisions[0].shape, np.uint8)
    for goes_on in decisions:
        running &= goes_on.numpy()
        depth += running
    return depth.reshape(1, 1) if depth.ndim == 0 else depth


@dataclass
class DepthAlbum:
    """Keeps some images with what was decided on them.

    Attributes:
        chosen: numbers of the images.
        samples: by number; none where decisions lie nowhere in an image.
        maps: name of the policy -> number of the image -> (depth, classes).
        stages: of the network.
    """

    chosen: frozenset[int]
    samples: dict[int, Sample] = field(default_factory=dict)
    maps: dict[str, dict[int, tuple[Depth, NDArray[np.uint8]]]] = field(default_factory=dict)
    stages: int = 1

    def __call__(self, number: int, sample: Sample, asked: Mapping[str, Asked]) -> None:
        """Called for every image of a survey."""
        runs = [own.run for own in asked.values() if own.run is not None]
        if number not in self.chosen or not runs or runs[0].unit == "path":
            return
        self.samples[number], self.stages = sample, runs[0].stages
        size = (sample.label.shape[0], sample.label.shape[1])
        for name, own in asked.items():
            labels: NDArray[np.uint8] = classes_at(own.scores, size)[0].byte().cpu().numpy()
            self.maps.setdefault(name, {})[number] = depth_of(own.decisions, self.stages), labels

    def embedded(self, palette: Sequence[Colour], dataset: str) -> dict[str, dict[str, Json]]:
        """Each policy's `detail["depths"]`, as a report's viewer reads them; images are named `DATASET/NAME`.

        Depths are base64 PNGs of one pixel a part, in the colours of the stages.
        """
        return {
            policy: {
                "depths": {
                    f"{dataset}/{self.samples[number].name}": {
                        "depth": self._coloured(depth),
                        "labels": small_labels(labels, palette),
                    }
                    for number, (depth, labels) in found.items()
                }
            }
            for policy, found in self.maps.items()
        }

    def pictures(self, palette: Sequence[Colour], dataset: str) -> dict[str, Json]:
        """The photos and truths of the images that were kept."""
        return {f"{dataset}/{sample.name}": photo_and_truth(sample, palette) for sample in self.samples.values()}

    def colours(self) -> list[list[int]]:
        """Red, green and blue (0..255) of each stage, the last the brightest."""
        shades = colormaps[_COLOURS](np.linspace(0, 1, self.stages + 1)[1:])
        return [[round(255 * part) for part in shade[:3]] for shade in shades.tolist()]

    def _coloured(self, depth: Depth) -> str:
        picture = Image.fromarray(depth)
        picture.putpalette([0, 0, 0, *(part for colour in self.colours() for part in colour)])
        return png_text(picture)

    def draw(self, policies: Sequence[str], path: Path) -> None:
        """One row an image: the photo, and how deep each policy went, laid over it.

        Raises:
            UserError: the file cannot be written.
        """
        columns, rows = len(policies) + 1, len(self.samples)
        height, width = next(iter(self.samples.values())).label.shape
        figure = Figure(figsize=(2.2 * columns + 0.6, 2.2 * rows * height / width + 0.5), layout="constrained")
        panels = figure.subplots(rows, columns, squeeze=False)
        for row, (number, sample) in zip(panels, self.samples.items(), strict=True):
            _photo(row[0], sample)
            for axes, policy in zip(row[1:], policies, strict=True):
                _photo(axes, sample)
                depth, box = self.maps[policy][number][0], (0, width, height, 0)
                shown = axes.imshow(depth, extent=box, cmap=_COLOURS, vmin=0, vmax=self.stages, alpha=0.6)
        for axes, caption in zip(panels[0], ["image", *policies], strict=True):
            axes.set_title(caption, fontsize=9)
        figure.colorbar(
            shown, ax=panels, label="stage after which a part had finished", ticks=range(1, self.stages + 1)
        )
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            figure.savefig(path, dpi=100)
        except OSError as error:
            raise UserError(f"{path} cannot be written: {error.strerror}; choose another place with -o") from error


def _photo(axes: object, sample: Sample) -> None:
    axes.imshow(sample.image, extent=(0, sample.label.shape[1], sample.label.shape[0], 0))  # type: ignore[attr-defined]
    axes.axis("off")  # type: ignore[attr-defined]
