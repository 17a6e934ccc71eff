"""No public name stands for two things."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent / "segbench"
INTERFACES = {
    "build": "what every library's adapter builds with",
    "names": "what every library's adapter lists",
    "run": "a task's entry point, and the command line's",
    "find": "a data set's reader",
    "main": "a program's entry point",
    "evaluate": "the command and what it does",
    "fits": "the command and what it asks",
}
"""Names that every module of a kind has, or that a command shares with its work."""


def public_names(path: Path) -> Iterator[str]:
    """What a module defines at its top level, not what it imports."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield node.name
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        yield from (target.id for target in targets if isinstance(target, ast.Name))


def test_no_public_name_stands_for_two_things() -> None:
    places: defaultdict[str, list[str]] = defaultdict(list)
    for path in ROOT.rglob("*.py"):
        for name in set(public_names(path)):
            if not name.startswith("_") and name not in INTERFACES:
                places[name].append(str(path.relative_to(ROOT)))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}
