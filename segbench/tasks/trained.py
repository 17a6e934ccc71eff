"""What a checkpoint was trained on, set against the data set that it is asked about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from segbench.cards.label_map import LabelMap
from segbench.data import Dataset
from segbench.errors import CheckpointError

Facts = Mapping[str, Any]
"""What a checkpoint says about its origin."""


def require_same_classes(facts: Facts, dataset: Dataset, checkpoint: Path) -> None:
    """Refuses a checkpoint whose classes are not the data set's: by their names, or their number where it has none.

    Raises:
        CheckpointError: the sentence says what differs.
    """
    names = facts.get("class_names")
    count = facts.get("classes", dataset.classes) if names is None else len(names)
    if count == dataset.classes and (names is None or tuple(names) == dataset.class_names):
        return
    trained_on = facts.get("data", {}).get("dataset")
    found = f"{count} classes{f' of {trained_on}' if trained_on else ''}{_first(names or ())}"
    wanted = f"{dataset.classes} of {dataset.name}{_first(dataset.class_names)}"
    raise CheckpointError(
        f"{checkpoint} distinguishes {found}, not the {wanted}; train it on {dataset.name}, or evaluate it on the set"
        " that it was trained on"
    )


def require_same_count(facts: Facts, classes: int, checkpoint: Path) -> None:
    """Refuses a label map that is not about the checkpoint's classes.

    Raises:
        CheckpointError: the sentence says both numbers.
    """
    if facts.get("classes", classes) != classes:
        raise CheckpointError(f"{checkpoint} distinguishes {facts['classes']} classes, the label map has {classes}")


def notes_on_label_map(label_map: LabelMap, dataset: Dataset) -> Iterator[str]:
    """Which classes have no place on the other side."""
    places = {place for _, place in label_map}
    homeless = [name for name, place in label_map if place is None]
    absent = [name for number, name in enumerate(dataset.class_names) if label_map and number not in places]
    if homeless:
        yield f"the network's {', '.join(homeless)} stand for nothing in {dataset.name} and are left out of the answer"
    if absent:
        yield f"no class of the network stands for {', '.join(absent)} of {dataset.name}, which it can never answer"


def notes_on_origin(facts: Facts, dataset: Dataset, checkpoint: Path) -> Iterator[str]:
    """What a reader of the scores should know: no origin told, the very images of the training, another data set."""
    if not facts:
        yield f"{checkpoint} holds weights alone, and does not say what they were trained on"
    trained = facts.get("data", {})
    name = str(trained.get("dataset") or "").partition(":")[0]
    if trained.get("fingerprint") == dataset.fingerprint:
        yield f"the checkpoint was trained on these very images ({dataset.name} {dataset.split})"
    elif name not in ("", dataset.name):
        yield f"the checkpoint was trained on {name}, and is asked about {dataset.name}"


def _first(names: tuple[str, ...] | list[str]) -> str:
    """` (sky, building, pole ...)`: the first that differ are seldom far."""
    return f" ({', '.join(names[:3])}{' ...' if len(names) > 3 else ''})" if names else ""
