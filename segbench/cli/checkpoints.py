"""Which checkpoint a command means: the user's, the weights beside a card, or the best of the usual run."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from segbench.cards.catalogue import Model, models_folder
from segbench.cards.cuts import crop_of
from segbench.cards.datasets import dataset_card
from segbench.errors import CheckpointError


def found_checkpoint(model: Model, dataset: str, data_root: Path | None, given: Path | None) -> Path:
    """The file of weights.

    Args:
        given: by the user, a file or a run's folder; None takes the card's own weights, or else the best of
            `runs/MODEL-DATASET`.

    Raises:
        CheckpointError: there is none; the sentence has the command that makes it.
    """
    if given is None and model.card.weights and model.card.weights.path:
        return _shipped(model)
    folder = given or usual_run(model, dataset)
    path = folder / "best.safetensors" if given is None or folder.is_dir() else folder
    if path.is_file():
        return path
    place = f" --data-root {data_root}" if data_root else ""
    how = f"segbench train -m {model.spec} -d {dataset}{place} --minutes 20"
    raise CheckpointError(f"there is no checkpoint {path}; make one with: {how}; or give --checkpoint FILE")


def usual_run(model: Model, dataset: str) -> Path:
    """Where `segbench train` leaves a network trained on a data set, when not told otherwise."""
    return Path("runs") / f"{model.name}-{dataset_card(dataset).name}"


def trained_size(checkpoint: Path, model: Model, dataset: str) -> tuple[int, int]:
    """(width, height) the JSON beside the checkpoint tells; without one, the data set's or the card's."""
    try:
        made = json.loads(checkpoint.with_suffix(".json").read_text(encoding="utf-8"))["plan"]
        return made["width"], made["height"]
    except (OSError, ValueError, KeyError):
        return crop_of(dataset) or (model.card.input.width, model.card.input.height)


def digest_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _shipped(model: Model) -> Path:
    """The weights beside a card.

    Raises:
        CheckpointError: the file is missing, or is not the one the card means.
    """
    assert model.card.weights and model.card.weights.path
    folder = Path(model.spec).parent if model.spec.endswith(".toml") else models_folder()
    path = folder / model.card.weights.path
    if not path.is_file():
        raise CheckpointError(f"card {model.name} names weights {path}, which are not there; install segbench again")
    if digest_of(path) != model.card.weights.sha256:
        raise CheckpointError(f"{path} does not have the sha256 that card {model.name} states; install segbench again")
    return path
