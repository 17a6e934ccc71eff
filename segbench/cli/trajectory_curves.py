"""Which curves `segbench trajectory` draws: networks with the weights they were trained to, and solvers for each."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from segbench.cards.catalogue import Model, models_folder
from segbench.cards.cuts import crop_of
from segbench.cards.datasets import dataset_card
from segbench.errors import CheckpointError, UserError


@dataclass(frozen=True)
class Curve:
    """One network, trained once, with one solver.

    Attributes:
        model: under the name that tells it from the other curves.
        solver: instead of the card's.
    """

    model: Model
    checkpoint: Path
    solver: str | None

    @property
    def file_name(self) -> str:
        return "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in self.model.name)

    def trained_size(self, dataset: str) -> tuple[int, int]:
        """(width, height) the JSON beside the checkpoint tells; without one, the data set's or the card's."""
        try:
            made = json.loads(self.checkpoint.with_suffix(".json").read_text(encoding="utf-8"))["plan"]
            return made["width"], made["height"]
        except (OSError, ValueError, KeyError):
            return crop_of(dataset) or (self.model.card.input.width, self.model.card.input.height)


def curves_named(
    models: Sequence[Model],
    dataset: str,
    data_root: Path | None,
    checkpoints: Sequence[Path],
    solvers: Sequence[str],
) -> list[Curve]:
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
        (model, _weights_of(model, dataset, data_root, path))
        for model, path in zip(models if len(models) > 1 else [models[0]] * len(given), given, strict=True)
    ]
    runs = Counter(_run_name(path) for _, path in found)
    curves = []
    for model, path in found:
        run = _run_name(path) if runs[_run_name(path)] == 1 else str(path)
        of_run = [run] if len(found) > len(models) else []
        for solver in wanted:
            of_solver = [solver] if solver and len(solvers) > 1 else []
            curves.append(Curve(replace(model, name=" ".join([model.name, *of_run, *of_solver])), path, solver))
    return curves


def _weights_of(model: Model, dataset: str, data_root: Path | None, given: Path | None) -> Path:
    """The user's checkpoint, the card's own weights, or the best of the usual run."""
    if given is None and model.card.weights and model.card.weights.path:
        return _shipped(model)
    folder = given or Path("runs") / f"{model.name}-{dataset_card(dataset).name}"
    path = folder / "best.safetensors" if given is None or folder.is_dir() else folder
    if path.is_file():
        return path
    place = f" --data-root {data_root}" if data_root else ""
    how = f"segbench train -m {model.spec} -d {dataset}{place} --minutes 20"
    raise CheckpointError(f"there is no checkpoint {path}; make one with: {how}; or give --checkpoint FILE")


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


def digest_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _run_name(checkpoint: Path) -> str:
    """`every-step` of `runs/every-step/best.safetensors`."""
    return checkpoint.parent.name if checkpoint.stem in ("best", "last", "previous") else checkpoint.stem
