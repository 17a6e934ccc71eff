"""PASCAL in Detail: one JSON file with every image's segments (`trainval_merged.json`)."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segbench.data.broken import BrokenFile
from segbench.data.coco_rle import mask
from segbench.data.listing import stem


@dataclass(frozen=True)
class DetailImage:
    """One image of the file.

    Attributes:
        phase: `train`, `val` or `test`.
        segments: id among the 459 categories and run lengths, in the file's order.
    """

    file_name: str
    phase: str
    height: int
    width: int
    segments: tuple[tuple[int, Any], ...]


@dataclass(frozen=True)
class DetailFile:
    """The file's images by name."""

    path: Path
    images: dict[str, DetailImage]

    @classmethod
    def read(cls, path: Path) -> DetailFile:
        """The whole file; the real one has some hundred megabytes and takes tens of seconds.

        Raises:
            BrokenFile: not JSON, or without the keys of this format.
        """
        try:
            data = json.loads(path.read_bytes())
            segments: dict[int, list[tuple[int, Any]]] = defaultdict(list)
            for item in data["annos_segmentation"]:
                segments[item["image_id"]].append((int(item["category_id"]), item["segmentation"]["counts"]))
            images = {
                stem(item["file_name"]): DetailImage(
                    item["file_name"],
                    item["phase"],
                    int(item["height"]),
                    int(item["width"]),
                    tuple(segments[item["image_id"]]),
                )
                for item in data["images"]
            }
        except OSError as error:
            raise BrokenFile(path, f"it cannot be read ({error.strerror})") from error
        except ValueError as error:
            raise BrokenFile(path, f"it is not valid JSON ({error})") from error
        except (KeyError, TypeError) as error:
            raise BrokenFile(
                path, f"it is not a PASCAL in Detail file ({error!r} is missing or of another kind)"
            ) from error
        return cls(path, images)

    def names(self, phases: tuple[str, ...]) -> list[str]:
        """The images of these phases, sorted."""
        return sorted(name for name, image in self.images.items() if image.phase in phases)

    def category_map(self, name: str) -> NDArray[np.uint16]:
        """Ids among the 459 categories `(H, W)`, 0 where nothing was annotated; later segments lie on top.

        Raises:
            BrokenFile: segments that are damaged.
        """
        image = self.images[name]
        painted = np.zeros((image.height, image.width), np.uint16)
        for category, counts in image.segments:
            try:
                painted[mask(counts, image.height, image.width)] = category
            except (ValueError, TypeError, OverflowError) as error:
                raise BrokenFile(self.path, f"a segment of {image.file_name} is damaged ({error})") from error
        return painted
