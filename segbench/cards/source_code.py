"""The text that a network is built from, so that an edited network is another network to the ledger.

Nothing is imported: the imports are read from the syntax, so that an import made by a computed name is not seen.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_INSTALLED = ("site-packages", "dist-packages")


def source_text(builder: str) -> bytes:
    """Of `file.py:Name` or `package.module:Name`: every module outside site-packages that it comes from, in order of
    their names, and the versions of the packages inside.

    Empty for a module that is nowhere: its import fails with a sentence of its own.
    """
    files, packages = _found(builder)
    return b"\0".join(
        [*(path.read_bytes() for path in files), *(f"{name} {_version(name)}".encode() for name in sorted(packages))]
    )


def source_files(builder: str) -> list[Path]:
    """The modules outside site-packages that the builder comes from, in order of their names."""
    return _found(builder)[0]


def _found(builder: str) -> tuple[list[Path], set[str]]:
    """Its modules outside site-packages, and the packages inside."""
    place, _, _ = builder.rpartition(":")
    folders = _folders(Path(place).parent if place.endswith(".py") else None)
    todo = [Path(place)] if place.endswith(".py") else list(_files(place, folders))
    seen: dict[Path, None] = {}
    packages: set[str] = set()
    names: set[str] = set()
    while todo:
        path = todo.pop()
        if path in seen or not path.is_file():
            continue
        if any(part in _INSTALLED for part in path.parts):
            packages.add(_package(path))
            continue
        seen[path] = None
        new = [name for name in _imports(path, path.stat().st_mtime_ns, folders) if name not in names]
        names.update(new)
        todo += [file for name in new for file in _files(name, folders)]
    return sorted(seen, key=lambda path: (path.name, str(path))), packages


def _folders(own: Path | None) -> tuple[Path, ...]:
    """Where a child looks for modules: beside the user's file, in the current folder, along the path."""
    return tuple(dict.fromkeys([*([own] if own else []), Path.cwd(), *(Path(entry) for entry in sys.path if entry)]))


def _files(module: str, folders: tuple[Path, ...]) -> Iterator[Path]:
    """The file of a module and of the packages around it; none for built-in and standard ones."""
    parts = module.split(".")
    if parts[0] in sys.stdlib_module_names:
        return
    folder = next((item for item in folders if _module_file(item / parts[0])), None)
    if folder is None:
        return
    for count in range(1, len(parts) + 1):
        path = _module_file(folder.joinpath(*parts[:count]))
        if path is None:
            return
        yield path
        if any(part in _INSTALLED for part in path.parts):
            return


def _module_file(stem: Path) -> Path | None:
    for path in (stem / "__init__.py", stem.with_suffix(".py")):
        if path.is_file():
            return path
    return None


@lru_cache(maxsize=4096)
def _imports(path: Path, changed_ns: int, folders: tuple[Path, ...]) -> tuple[str, ...]:  # noqa: ARG001
    """The modules that a file imports, anywhere in it, as absolute names."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return ()
    package = _package_of(path, folders)
    found: dict[str, None] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= dict.fromkeys(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join([*package[: len(package) - node.level + 1], *filter(None, [node.module])])
            base = base if node.level else str(node.module)
            found |= dict.fromkeys([base, *(f"{base}.{alias.name}" for alias in node.names)])
    return tuple(name for name in found if name)


def _package_of(path: Path, folders: tuple[Path, ...]) -> list[str]:
    """The package that a file lies in: `["a", "b"]` of `a/b/c.py`."""
    for folder in folders:
        if path.is_relative_to(folder):
            return list(path.relative_to(folder).parent.parts)
    return []


def _package(path: Path) -> str:
    """The top-level name of an installed file."""
    place = max(number for number, part in enumerate(path.parts) if part in _INSTALLED)
    return path.parts[place + 1].removesuffix(".py")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"
