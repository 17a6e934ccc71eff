"""Keeps an evaluation image by image, so that two networks can be compared on the same images later."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np

from segbench.errors import DataError
from segbench.evaluation.boundary import BoundaryCounts
from segbench.evaluation.evaluate import Evaluation
from segbench.evaluation.protocol import Protocol


def save_evaluation(evaluation: Evaluation, path: Path) -> None:
    """Names, matrices and protocol as a compressed `.npz`: any score of any resampled set can be read from it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    boundary = evaluation.boundary.counts if evaluation.boundary else np.zeros((0, 0), np.int64)
    np.savez_compressed(
        path,
        names=np.array(evaluation.names),
        matrices=evaluation.matrices,
        boundary=boundary,
        protocol=np.array(json.dumps(evaluation.protocol.to_json())),
    )


def load_evaluation(path: Path) -> Evaluation:
    """Inverse of `save_evaluation`.

    Raises:
        DataError: no such file, or not one of these.
    """
    try:
        with np.load(path, allow_pickle=False) as data:
            boundary = BoundaryCounts(data["boundary"]) if data["boundary"].size else None
            protocol = Protocol.from_json(json.loads(str(data["protocol"])))
            return Evaluation(tuple(map(str, data["names"])), data["matrices"], boundary, protocol)
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"{path} is not a saved evaluation ({error}); make one with segbench evaluate") from error


def save_image_iou(evaluation: Evaluation, class_names: tuple[str, ...], path: Path) -> None:
    """A CSV with one row an image: its mean IoU (absent classes skipped) and the IoU of each class, empty if absent."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["image", "miou", *class_names])
        for name, iou in zip(evaluation.names, evaluation.image_iou, strict=True):
            mean = "" if np.isnan(iou).all() else f"{np.nanmean(iou):.6f}"
            rows.writerow([name, mean, *("" if np.isnan(value) else f"{value:.6f}" for value in iou)])
