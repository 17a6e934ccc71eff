"""Reads a TOML file into a schema, and says in one sentence what is wrong with it."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from segbench.errors import CardError


class Strict(BaseModel):
    """A table of a card: unknown keys are refused, and nothing changes once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Card = TypeVar("Card", bound=Strict)


def read_toml(path: Path, kind: str = "card") -> dict[str, Any]:
    """The tables of a TOML file.

    Args:
        kind: what the file is to the user, for the sentence.

    Raises:
        CardError: unreadable, or not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise CardError(f"{kind} {path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CardError(f"{kind} {path} is not valid TOML: {error}") from error


def validated(schema: type[Card], data: Mapping[str, Any], path: Path, kind: str = "card") -> Card:
    """The card that the tables make.

    Raises:
        CardError: an unknown key, or a value that its key cannot take; the sentence names the key.
    """
    try:
        return schema.model_validate(data)
    except ValidationError as error:
        raise CardError(f"{kind} {path}: {_first_problem(schema, error)}") from error


def _first_problem(schema: type[BaseModel], error: ValidationError) -> str:
    problems = error.errors()
    # A misspelt key often leaves another one missing; the misspelling is what the user can mend.
    first = next((problem for problem in problems if problem["type"] == "extra_forbidden"), problems[0])
    place = [part for part in first["loc"] if not str(part).startswith(("tuple[", "list[", "dict["))]
    where = ".".join(str(part) for part in place)
    if first["type"] == "extra_forbidden":
        return f"unknown key {where!r}; known here: {', '.join(_keys(_section(schema, place[:-1])))}"
    message = first["msg"].removeprefix("Value error, ")
    return f"key {where!r}: {message}" if where else message


def _section(schema: type[BaseModel], place: Sequence[int | str]) -> type[BaseModel]:
    """The schema of the table at a place of the file."""
    for part in place:
        field = next((item for name, item in schema.model_fields.items() if part in (name, item.alias)), None)
        if field is not None:
            schema = next(_schemas_in(field.annotation), schema)
    return schema


def _schemas_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The schemas that a field's type is made of: of `tuple[Option, ...]`, `Option`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _schemas_in(part)


def _keys(schema: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in schema.model_fields.items()]
