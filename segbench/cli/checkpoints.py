"""Which checkpoint a command means: the user's, the weights beside a card, or the best of the usual run."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from segbench.cards.catalogue import models_folder
from segbench.cards.crops import crop_of, shown_size
from segbench.cards.datasets import dataset_card
from segbench.cards.model import Model
from segbench.cards.naming import run_of, with_run
from segbench.errors import CheckpointError, UserError
from segbench.records.case import Json
from segbench.records.dataset_spec import DatasetSpec

SHIPPED = "segnode-synthetic"
"""The card whose weights come with segbench."""


@dataclass(frozen=True)
class TrainedNetwork:
    """One network, trained once; where it is an ODE, with one solver.

    Attributes:
        model: under the name that tells it from the others.
        solver: instead of the card's.
    """

    model: Model
    checkpoint: Path
    solver: str | None

    @property
    def file_name(self) -> str:
        return "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in self.model.name)


def trained_networks(
    models: Sequence[Model],
    dataset: str,
    data_root: Path | None,
    checkpoints: Sequence[Path],
    solvers: Sequence[str] = (),
) -> list[TrainedNetwork]:
    """Each network with each solver, named by what differs.

    Args:
        checkpoints: none; one for each network; or several trainings of a single network.

    Raises:
        CheckpointError: there are no weights; the sentence has the command that makes them.
        UserError: several networks, and another number of checkpoints.
    """
    if checkpoints and len(models) > 1 and len(checkpoints) != len(models):
        raise UserError(f"{len(models)} networks need as many --checkpoint, found {len(checkpoints)}")
    given: list[Path | None] = [*checkpoints] or [None] * len(models)
    wanted: list[str | None] = [*solvers] or [None]
    found = [
        (model, found_checkpoint(model, dataset, data_root, path))
        for model, path in zip(models if len(models) > 1 else [models[0]] * len(given), given, strict=True)
    ]
    runs = Counter(run_of(path) for _, path in found)
    trained = []
    for model, path in found:
        run = run_of(path) if runs[run_of(path)] == 1 else str(path)
        name = with_run(model.name, run) if len(found) > len(models) else model.name
        for solver in wanted:
            of_solver = [solver] if solver and len(solvers) > 1 else []
            trained.append(TrainedNetwork(replace(model, name=" ".join([name, *of_solver])), path, solver))
    return trained


def found_checkpoint(model: Model, dataset: str, data_root: Path | None, given: Path | None) -> Path:
    """The file of weights.

    Args:
        given: by the user, a file or a run's folder; None takes the card's own weights, or else the best of
            `runs/MODEL-DATASET`.

    Raises:
        CheckpointError: there is none; the sentence has the command that makes it.
    """
    if given is None and model.card.weights:
        return _shipped(model)
    folder = given or usual_run(model, dataset)
    path = folder / "best.safetensors" if given is None or folder.is_dir() else folder
    if path.is_file():
        return path
    place = f" --data-root {data_root}" if data_root else ""
    how = f"segbench train -m {model.spec.text} -d {DatasetSpec.parse(dataset).written}{place} --minutes 20"
    raise CheckpointError(f"there is no checkpoint {path}; make one with: {how}; or give --checkpoint FILE")


def usual_run(model: Model, dataset: str) -> Path:
    """Where `segbench train` leaves a network trained on a data set, when not told otherwise."""
    return Path("runs") / f"{model.name}-{dataset_card(dataset).name}"


def usual_size(checkpoint: Path, model: Model, dataset: str) -> tuple[int, int]:
    """(width, height) to show images at: as in the training; where that is not told, the data set's or the card's."""
    made = facts_of(checkpoint).get("plan", {})
    if {"width", "height"} <= set(made):
        return shown_size(dataset, (made["width"], made["height"]))
    crop = crop_of(dataset)
    return shown_size(dataset, crop) if crop else (model.card.input.width, model.card.input.height)


def trained_arguments(checkpoint: Path, given: Mapping[str, Json]) -> dict[str, Json]:
    """The builder's arguments a checkpoint was trained with, the user's in their place where there are both."""
    return {**facts_of(checkpoint).get("arguments", {}), **given}


def facts_of(checkpoint: Path) -> dict[str, Json]:
    """What the header of a checkpoint tells of its training, read without torch; empty where there is none."""
    try:
        with checkpoint.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(min(size, _LONGEST_HEADER)))
        facts: dict[str, Json] = json.loads(header["__metadata__"]["segbench"])
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return facts


_LONGEST_HEADER = 100_000_000
"""Of a safetensors file, by its specification."""


def digest_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _shipped(model: Model) -> Path:
    """The weights beside a card.

    Raises:
        CheckpointError: the file is missing, or is not the one the card means.
    """
    assert model.card.weights
    folder = model.spec.file.parent if model.spec.file else models_folder()
    path = folder / model.card.weights.path
    if not path.is_file():
        raise CheckpointError(f"card {model.name} names weights {path}, which are not there; install segbench again")
    if digest_of(path) != model.card.weights.sha256:
        raise CheckpointError(f"{path} does not have the sha256 that card {model.name} states; install segbench again")
    return path
