"""Flags as groups: a frozen dataclass declares them once, and `flags` unfolds it into a command's signature."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Collection, Iterator, Mapping
from copy import copy
from dataclasses import MISSING, Field, dataclass, fields
from functools import wraps
from typing import Annotated, Any, ClassVar, TypeVar, get_args, get_origin, get_type_hints

from typer import CallbackParam
from typer.models import ParameterInfo

from segbench.errors import UserError

Command = Callable[..., None]
CommandT = TypeVar("CommandT", bound=Command)


@dataclass(frozen=True)
class Group:
    """Base of every group of flags; `panel` is its heading in `--help`."""

    panel: ClassVar[str | None] = None


def flags(without: Collection[str] = (), **defaults: object) -> Callable[[CommandT], CommandT]:
    """Unfolds every parameter that is a `Group` into the group's fields, so that Typer sees plain flags.

    Args:
        without: fields that this command does not offer; the group keeps their defaults.
        defaults: of fields, where this command's differ from the group's.

    Raises:
        TypeError: a name that no group has.
    """

    def unfold(command: CommandT) -> CommandT:
        hints = get_type_hints(command, include_extras=True)
        groups = {name: hint for name, hint in hints.items() if isinstance(hint, type) and issubclass(hint, Group)}
        _require_known(command, groups, {*without, *defaults})

        @wraps(command)
        def called(**values: Any) -> None:
            command(**_folded(groups, without, values))

        parameters = list(_parameters(command, hints, groups, without, defaults))
        called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        called.__annotations__ = {item.name: item.annotation for item in parameters}
        del called.__wrapped__  # or Typer reads the folded signature
        return called  # type: ignore[return-value]

    return unfold


def _require_known(command: Command, groups: Mapping[str, type[Group]], names: Collection[str]) -> None:
    known = {item.name for group in groups.values() for item in fields(group)}
    if unknown := set(names) - known:
        raise TypeError(f"{command.__name__}: no flag {', '.join(sorted(unknown))} in its groups")


def _folded(groups: Mapping[str, type[Group]], without: Collection[str], values: dict[str, Any]) -> dict[str, Any]:
    """The groups made of the values of their fields, beside the command's own parameters."""
    folded = {
        name: group(**{item.name: values.pop(item.name) for item in fields(group) if item.name not in without})
        for name, group in groups.items()
    }
    return {**values, **folded}


def _parameters(
    command: Command,
    hints: Mapping[str, Any],
    groups: Mapping[str, type[Group]],
    without: Collection[str],
    defaults: Mapping[str, object],
) -> Iterator[inspect.Parameter]:
    """The flat signature, in the order of the command's own; all by keyword."""
    for name, parameter in inspect.signature(command).parameters.items():
        if name not in groups:
            annotation = _in_panel(hints[name], None)
            yield parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=annotation)
            continue
        group = groups[name]
        own = get_type_hints(group, include_extras=True)
        for item in fields(group):
            if item.name not in without:
                yield inspect.Parameter(
                    item.name,
                    inspect.Parameter.KEYWORD_ONLY,
                    default=defaults.get(item.name, _default(item)),
                    annotation=_in_panel(own[item.name], group.panel),
                )


def _default(item: Field[Any]) -> Any:
    return inspect.Parameter.empty if item.default is MISSING else item.default


def _in_panel(annotation: Any, panel: str | None) -> Any:
    """The annotation with the group's panel, where the flag has none of its own; numbers have bounds."""
    if get_origin(annotation) is not Annotated:
        return annotation
    kind, *extras = get_args(annotation)
    is_number = bool({int, float} & {kind, *get_args(kind)})
    marked = [_marked(item, panel, is_number) for item in extras]
    return Annotated[kind, *marked]


def _marked(item: object, panel: str | None, is_number: bool) -> object:
    if not isinstance(item, ParameterInfo):
        return item
    marked = copy(item)
    marked.rich_help_panel = item.rich_help_panel or panel
    if is_number and item.callback is None:
        marked.callback = _bounded
    return marked


_MOST = 2**31 - 1
"""Of any number: what torch, clocks and file formats take, and more than any flag can mean."""


def _bounded(parameter: CallbackParam, value: float | None) -> float | None:
    """Raises:
    UserError: nan or an infinity, which no flag means and no record can hold, or beyond `_MOST`.
    """
    if value is None:
        return None
    if isinstance(value, float) and not math.isfinite(value):
        raise UserError(f"{parameter.opts[-1]} {value:g} is not a finite number; give another value")
    if value > _MOST:
        raise UserError(f"{parameter.opts[-1]} {value:.6g} is too large; give at most {_MOST}")
    return value
