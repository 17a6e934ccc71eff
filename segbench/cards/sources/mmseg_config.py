"""Reads configs of mmsegmentation without importing it: plain values in Python's syntax, inherited through `_base_`."""

from __future__ import annotations

import ast
import importlib.util
from functools import lru_cache
from pathlib import Path
from typing import Any

from segbench.errors import CardError

Config = dict[str, Any]
"""What a config says: `model`, `optim_wrapper`, `train_dataloader`, `crop_size` ..."""

_FUNCTIONS = {item.__name__: item for item in (dict, enumerate, float, int, len, list, range, sum, tuple)}
"""All that the configs of mmsegmentation 1.2.2 call, and their kin; without `__import__` nothing is imported."""

_STATEMENTS = (ast.Assign, ast.AugAssign, ast.Expr, ast.For, ast.If)
_METHODS = ("update",)
"""All that they take of a value by a dot. Other attributes lead from any value to all that Python can do."""


@lru_cache(maxsize=1)
def config_paths() -> dict[str, Path]:
    """The configs of the installed mmsegmentation by name, without the parts that they are made of; empty without it.

    Nothing is imported; the wheel keeps them in `mmseg/.mim/configs`, a checkout beside the package.
    """
    found = importlib.util.find_spec("mmseg")
    if found is None or found.origin is None:
        return {}
    package = Path(found.origin).parent
    folders = (package / ".mim" / "configs", package.parent / "configs")
    paths = [path for folder in folders for path in folder.glob("[!_]*/*.py")]
    return {path.stem: path for path in sorted(paths)}


def read_config(path: Path) -> Config:
    """A config with everything that it inherits.

    Raises:
        CardError: missing, more than plain values, or at odds with what it inherits from.
    """
    own = _values(path)
    bases = own.pop("_base_", [])
    found: Config = {}
    for base in [bases] if isinstance(bases, str) else bases:
        found |= read_config(path.parent / base)
    return _merged(own, found, path)


def _values(path: Path) -> Config:
    names: Config = {"__builtins__": _FUNCTIONS}
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        _require_values(tree)
        exec(compile(tree, str(path), "exec"), names)
    except OSError as error:
        raise CardError(f"config {path} cannot be read: {error.strerror}") from error
    except Exception as error:
        what = f"{type(error).__name__}: {error}"
        raise CardError(
            f"config {path} is more than plain values ({what}); segbench reads dict(...) and lists"
        ) from error
    return {name: value for name, value in names.items() if name != "__builtins__"}


def _require_values(tree: ast.Module) -> None:
    """Raises:
    SyntaxError: what computes more than values.
    """
    for item in ast.walk(tree):
        strange = isinstance(item, ast.stmt) and not isinstance(item, _STATEMENTS)
        if strange or (isinstance(item, ast.Attribute) and item.attr not in _METHODS):
            raise SyntaxError(ast.unparse(item)[:60])


def _merged(own: Config, inherited: Config, path: Path) -> Config:
    """MMEngine's rule: dicts are joined unless they say `_delete_`; digits are places in an inherited list."""
    found = dict(inherited)
    for name, value in own.items():
        before = found.get(name)
        if not isinstance(value, dict):
            found[name] = value
        elif isinstance(before, list) and value and all(key.isdecimal() for key in value):
            found[name] = _merged_list(value, before, path)
        elif value.get("_delete_") or before is None:
            found[name] = _merged({key: item for key, item in value.items() if key != "_delete_"}, {}, path)
        elif isinstance(before, dict):
            found[name] = _merged(value, before, path)
        else:
            raise CardError(f"config {path}: {name} is a dict and inherits {before!r}; write _delete_=True into it")
    return found


def _merged_list(own: Config, inherited: list[Any], path: Path) -> list[Any]:
    if int(max(own, key=int)) >= len(inherited):
        raise CardError(f"config {path}: place {max(own, key=int)} of a list of {len(inherited)}")
    places = _merged(own, {str(number): item for number, item in enumerate(inherited)}, path)
    return list(places.values())
