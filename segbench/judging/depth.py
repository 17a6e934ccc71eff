"""How deep the network went at every place of an image: the stage after which each part had finished.

The paths of a lattice are decided about for an image as a whole, so that they have no places in it. What is painted of
them is the lattice itself, a row a scale and a column a layer: how many paths were taken out of each cell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import ListedColormap
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
"""`(rows, columns)` of an image, region grid, block grid, map of pixels, or lattice."""

_COLOURS = "inferno"
_PATHS = 3
"""Out of a cell, at most: to the scales above and below, and on (Li et al. 2020)."""


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


def routes_of(decisions: Decisions) -> Depth:
    """How many paths were taken out of each cell of a lattice, `(scales, layers)`; 0 where there is no cell either."""
    taken = [layer.numpy().sum(1) for layer in decisions]
    lattice = np.zeros((max(map(len, taken)), len(taken)), np.uint8)
    for layer, paths in enumerate(taken):
        lattice[: len(paths), layer] = paths
    return lattice


@dataclass
class DepthAlbum:
    """Keeps some images with what was decided on them.

    Attributes:
        chosen: numbers of the images.
        samples: by number; none of a network that never decides.
        maps: name of the policy -> number of the image -> (depth, classes).
        deepest: the largest depth there can be.
        of_paths: whether a depth is a lattice's.
    """

    chosen: frozenset[int]
    samples: dict[int, Sample] = field(default_factory=dict)
    maps: dict[str, dict[int, tuple[Depth, NDArray[np.uint8]]]] = field(default_factory=dict)
    deepest: int = 1
    of_paths: bool = False

    def __call__(self, number: int, sample: Sample, asked: Mapping[str, Asked]) -> None:
        """Called for every image of a survey."""
        runs = [own.run for own in asked.values() if own.run is not None]
        if number not in self.chosen or not runs:
            return
        self.samples[number], self.of_paths = sample, runs[0].unit == "path"
        self.deepest = _PATHS if self.of_paths else runs[0].stages
        size = (sample.label.shape[0], sample.label.shape[1])
        for name, own in asked.items():
            labels: NDArray[np.uint8] = classes_at(own.scores, size)[0].byte().cpu().numpy()
            depth = routes_of(own.decisions) if self.of_paths else depth_of(own.decisions, self.deepest)
            self.maps.setdefault(name, {})[number] = depth, labels

    def embedded(self, palette: Sequence[Colour], dataset: str) -> dict[str, dict[str, Json]]:
        """Each policy's `detail["depths"]`, as a report's viewer reads them; images are named `DATASET/NAME`.

        Depths are base64 PNGs of one pixel a part, in the colours of `legend`.
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

    def legend(self) -> dict[str, Json]:
        """What a depth is called -> its red, green and blue (0..255), from black for none to the brightest."""
        shades = self._shades()
        if not self.of_paths:
            return {f"stage {depth}": shades[depth] for depth in range(1, self.deepest + 1)}
        names = ("no path, or no cell", "1 path", *(f"{paths} paths" for paths in range(2, self.deepest + 1)))
        return dict(zip(names, shades, strict=True))

    def _shades(self) -> list[list[int]]:
        """Of depth 0, 1, ..."""
        shades = colormaps[_COLOURS](np.linspace(0, 1, self.deepest + 1))
        return [[round(255 * part) for part in shade[:3]] for shade in shades.tolist()]

    def _coloured(self, depth: Depth) -> str:
        picture = Image.fromarray(depth)
        picture.putpalette([part for colour in self._shades() for part in colour])
        return png_text(picture)

    @property
    def meaning(self) -> str:
        """Of a depth, in words."""
        if self.of_paths:
            return "paths taken out of a cell\na row a scale, finest on top; a column a layer"
        return "stage after which a part had finished"

    def draw(self, policies: Sequence[str], path: Path) -> None:
        """One row an image: the photo, and how deep each policy went, laid over it; a lattice stands alone.

        Raises:
            UserError: the file cannot be written.
        """
        columns, rows = len(policies) + 1, len(self.samples)
        height, width = next(iter(self.samples.values())).label.shape
        figure = Figure(figsize=(2.2 * columns + 0.6, 2.2 * rows * height / width + 0.5), layout="constrained")
        panels = figure.subplots(rows, columns, squeeze=False)
        colours = ListedColormap([[part / 255 for part in shade] for shade in self.legend().values()])
        first = self.deepest + 1 - colours.N
        look = {"cmap": colours, "vmin": first - 0.5, "vmax": self.deepest + 0.5, "alpha": 1 if self.of_paths else 0.6}
        for row, (number, sample) in zip(panels, self.samples.items(), strict=True):
            for axes in row:
                _photo(axes, sample)
            for axes, policy in zip(row[1:], policies, strict=True):
                depth, box = self.maps[policy][number][0], (0, width, height, 0)
                shown = axes.imshow(depth, extent=box, interpolation="nearest", **look)
        for axes, caption in zip(panels[0], ["image", *policies], strict=True):
            axes.set_title(caption, fontsize=9)
        figure.colorbar(shown, ax=panels, label=self.meaning, ticks=range(first, self.deepest + 1))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            figure.savefig(path, dpi=100)
        except OSError as error:
            raise UserError(f"{path} cannot be written: {error.strerror}; choose another place with -o") from error


def _photo(axes: object, sample: Sample) -> None:
    axes.imshow(sample.image, extent=(0, sample.label.shape[1], sample.label.shape[0], 0))  # type: ignore[attr-defined]
    axes.axis("off")  # type: ignore[attr-defined]
