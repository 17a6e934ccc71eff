"""Which curves `segbench trajectory` draws: networks with the weights they were trained to, and solvers for each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from segbench.cards.model import Model
from segbench.cards.naming import run_of, with_run
from segbench.cli.checkpoints import found_checkpoint
from segbench.errors import UserError


@dataclass(frozen=True)
class TrainedNetwork:
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


def curves_named(
    models: Sequence[Model],
    dataset: str,
    data_root: Path | None,
    checkpoints: Sequence[Path],
    solvers: Sequence[str],
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
    curves = []
    for model, path in found:
        run = run_of(path) if runs[run_of(path)] == 1 else str(path)
        name = with_run(model.name, run) if len(found) > len(models) else model.name
        for solver in wanted:
            of_solver = [solver] if solver and len(solvers) > 1 else []
            curves.append(TrainedNetwork(replace(model, name=" ".join([name, *of_solver])), path, solver))
    return curves
