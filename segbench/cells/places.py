"""The paths a case names: what another machine must be sent, and what a published record must not tell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from segbench.cards.sources import read_spec
from segbench.records.case import Case
from segbench.records.dataset_spec import DatasetSpec, published_dataset
from segbench.records.ledger import CHECKPOINTS
from segbench.records.options import READS, WRITES, Options


def read_places(case: Case) -> Iterator[Path]:
    """What a process reads that is not part of an installation: the user's network, data and checkpoints.

    What the network's file imports is found by `segbench.cards.source_code`.
    """
    file = read_spec(case.model).file if case.model else None
    if file is not None:
        yield file
    card = DatasetSpec.parse(case.dataset).card if case.dataset else None
    if card is not None:
        yield card
    if case.data_root is not None:
        yield Path(case.data_root)
    yield from (path for _, path in case.options_as(Options).paths(READS))


def written_places(case: Case) -> Iterator[Path]:
    """What a process leaves besides its answer."""
    yield from (path for _, path in case.options_as(Options).paths(WRITES))


def publishable(case: Case) -> Case:
    """The case without this machine's folders: a user's `/home/me/net.py:Net` becomes `net.py:Net`."""
    options = case.options_as(Options)
    places = [*options.paths(READS), *options.paths(WRITES)]
    model = _published_model(case.model) if case.model else ""
    short = {name: _without_folders(path) for name, path in places if path.is_absolute()}
    dataset = published_dataset(case.dataset) if case.dataset else None
    if not short and (model, dataset, None) == (case.model, case.dataset, case.data_root):
        return case
    return replace(
        case,
        model=model,
        dataset=dataset,
        data_root=None,
        options=options.changed(**short) if short else options,
    )


@lru_cache
def _published_model(text: str) -> str:
    return read_spec(text).published().text


def _without_folders(path: Path) -> str:
    """The last name; of a training's checkpoint the training stays: `segnode-w8/best.safetensors`."""
    return "/".join(path.parts[-2:]) if path.stem in CHECKPOINTS else path.name
