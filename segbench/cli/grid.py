"""A sweep's grid: which factors take which values, from a TOML file or from flags, and the cases they make."""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from segbench.cards.datasets import settled_spec
from segbench.errors import UnknownName, UserError
from segbench.records.case import Case, Json
from segbench.records.literals import literal
from segbench.records.options import Shared
from segbench.records.tasks import TASKS
from segbench.units import parse_bytes, parse_size

_ARGUMENT = "argument."
"""Before the name of a builder's argument; other factors are those that the task heeds (`Task.factors`)."""
_FILE_KEYS = ("task", "model", "fixed", "grid")


@dataclass(frozen=True)
class SweepGrid:
    """The question of a sweep.

    Attributes:
        task: one that can be swept.
        models: as the user wrote them.
        fixed: factor -> value, the same in every cell.
        axes: factor -> values; the cells are their product, the last axis fastest.
    """

    task: str
    models: tuple[str, ...]
    fixed: Mapping[str, Json] = field(default_factory=dict)
    axes: Mapping[str, Sequence[Json]] = field(default_factory=dict)

    def cases(self, case: Case) -> Iterator[Case]:
        """The case with every combination of values.

        Raises:
            UserError: a value that its factor cannot take, or ranks that do not suit their strategy.
        """
        for given in self._combinations():
            found = set_factors(case, given)
            if isinstance(found.options, Shared):
                found.options.require_sensible()
            yield found

    def _combinations(self) -> Iterator[dict[str, Json]]:
        """Among several strategies `single` is one process, whatever the ranks of the others, and stands there once."""
        for values in itertools.product(*self.axes.values()):
            given = {**self.fixed, **dict(zip(self.axes, values, strict=True))}
            if "strategy" in self.axes and given["strategy"] == "single" and "ranks" in given:
                if given["ranks"] != self.axes.get("ranks", [given["ranks"]])[0]:
                    continue
                given["ranks"] = 1
            yield given


def read_grid(path: Path, models: Sequence[str] = ()) -> SweepGrid:
    """A grid in a TOML file: `task`, `model = [...]`, `[fixed]` and `[grid]` with a list for each factor.

    Args:
        models: further networks.

    Raises:
        UserError: unreadable, an unknown key or factor, or a factor without values.
    """
    try:
        data: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"grid {path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"grid {path} is not valid TOML: {error}") from error
    for name in data:
        if name not in _FILE_KEYS:
            raise UnknownName(f"key of grid {path}", name, _FILE_KEYS)
    axes, fixed, named = data.get("grid", {}), data.get("fixed", {}), data.get("model", [])
    found = [named] if isinstance(named, str) else named
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        raise UserError(f'grid {path}: model needs names, as in model = ["segnode", "unet"]')
    for section, table in (("grid", axes), ("fixed", fixed)):
        if not isinstance(table, dict):
            raise UserError(f"grid {path}: {section} is a table; write [{section}] and a factor a line below")
    for name, values in axes.items():
        if not isinstance(values, list) or not values:
            raise UserError(f"grid {path}: {name} needs a list of values, as in {name} = [1, 2, 4]")
    return checked(SweepGrid(str(data.get("task", "")), (*found, *models), fixed, axes))


def grid_of_flags(task: str, models: Sequence[str], varied: Sequence[str], values: Sequence[str]) -> SweepGrid:
    """A grid of `-L batch_size 1,2,4` or `-L batch_size=1,2,4`; `-L model=unet,segnode` names networks.

    Args:
        varied: what stood behind each `-L`.
        values: the words that stood alone, in order: the values of those without an equals sign.

    Raises:
        UserError: an axis without values, or values without an axis.
    """
    alone = iter(values)
    axes: dict[str, list[Json]] = {}
    for word in varied:
        name, equals, text = word.partition("=")
        text = text if equals else next(alone, "")
        if not text:
            raise UserError(f"-L {name} has no values; write for example -L batch_size 1,2,4")
        found = [part.strip() for part in text.split(",")]
        if name == "model":
            models = [*models, *found]
        else:
            axes[name] = [literal(part) for part in found]
    left = list(alone)
    if left:
        raise UserError(f"{left[0]!r} belongs to no -L; write for example -L batch_size 1,2,4")
    return checked(SweepGrid(task, tuple(models), axes=axes))


def sweepable() -> list[str]:
    """Names of the tasks that a sweep can ask."""
    return [name for name, task in TASKS.items() if task.sweepable]


def checked(grid: SweepGrid) -> SweepGrid:
    """The grid, if all it names exists.

    Raises:
        UserError: a task that cannot be swept, a factor that does not exist, or no network.
    """
    if grid.task not in sweepable():
        raise UnknownName("task to sweep", grid.task, sweepable())
    factors = TASKS[grid.task].factors
    for name in [*grid.fixed, *grid.axes]:
        if not name.startswith(_ARGUMENT) and name not in factors:
            raise UnknownName(
                f"factor of {grid.task}", name, factors, f"or {_ARGUMENT}NAME for an argument of the builder"
            )
    if not grid.models:
        raise UserError('a sweep needs networks: -m segnode, or model = ["segnode"] in the file')
    return grid


def set_factors(case: Case, factors: Mapping[str, Json]) -> Case:
    """The case with these factors set.

    Raises:
        UserError: a value that its factor cannot take.
    """
    arguments = {name.removeprefix(_ARGUMENT): value for name, value in factors.items() if name.startswith(_ARGUMENT)}
    plain = {name: value for name, value in factors.items() if not name.startswith(_ARGUMENT)}
    if "input" in plain:
        plain["width"], plain["height"] = parse_size(str(plain.pop("input")))
    if isinstance(plain.get("dataset"), str):
        plain["dataset"] = settled_spec(str(plain["dataset"]))
    if isinstance(plain.get("budget_bytes"), str):
        plain["budget_bytes"] = parse_bytes(str(plain["budget_bytes"]))
    options = {name: plain.pop(name) for name in list(plain) if name not in _DEFAULTS}
    for name, value in plain.items():
        _check_type(name, value, _EXAMPLES.get(name, _DEFAULTS[name]))
    changed = replace(case, **plain).with_arguments(**arguments)
    return changed.with_options(**options) if options else changed


def label(factors: Mapping[str, Json]) -> str:
    """`batch_size 4, precision bf16`."""
    return ", ".join(f"{name.removeprefix(_ARGUMENT)} {value}" for name, value in factors.items())


_DEFAULTS = {item.name: item.default for item in fields(Case)}
_EXAMPLES = {"threads": 1, "budget_bytes": 1, "optimizer": "sgd", "dataset": "camvid", "split": "val"}
"""Of factors whose default is None."""


def _check_type(name: str, value: Json, example: Json) -> None:
    """bool and int are told apart: `batch_size = true` is a mistake."""
    if type(value) is not type(example):
        kind = {bool: "true or false", int: "a whole number", str: "text"}.get(type(example), type(example).__name__)
        raise UserError(f"{name} = {value!r}: it must be {kind}")
