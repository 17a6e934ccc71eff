"""Data sets as tables: the catalogue, one card, and what a check found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from segbench.cards.data_roots import Place
from segbench.cards.datasets import DatasetCard
from segbench.present.formats import Format, Value
from segbench.present.table import Column, Columns, Rows, Table, table_of
from segbench.records.case import Json

_LISTED = 20
"""Broken files that are named; the others are counted. JSON names all."""


def catalogue_table(found: Mapping[str, str], cards: Mapping[str, DatasetCard], notes: Sequence[str]) -> Table:
    """Every data set; `found` says where it lies or that it does not."""
    rows: Rows = [
        [f"{name}: {card.title}", card.classes, f"{card.width}x{card.height}", found[name]]
        for name, card in cards.items()
    ]
    return table_of("Data sets", ["name", "classes", "usual size", "found in"], rows, notes)


def card_table(card: DatasetCard, places: Sequence[Place], found: str) -> Table:
    """One data set whole: what to download, the layout expected, the reader's options."""
    rows = [
        ["title", card.title],
        ["classes", ", ".join(f"{index} {name}" for index, name in enumerate(card.class_names))],
        ["splits, official images", _splits(card)],
        ["usual size", f"{card.width}x{card.height}"],
        ["home", card.home],
        ["cite", card.citation],
        ["terms", card.terms],
        ["download", card.download],
        *(["layout", line] for line in card.layout.splitlines()),
        *(["option", _option(card, position)] for position in range(len(card.options))),
        ["looked for in", "; ".join(f"{place.folder} ({place.source})" for place in places) or "nowhere"],
        ["found in", found],
    ]
    return table_of(card.name, ["", ""], [row for row in rows if row[1]], prose=True)


def check_tables(card: DatasetCard, splits: Sequence[Mapping[str, Json]]) -> list[Table]:
    """What a check found, split by split; `splits` as the task reports them (`SplitCheck`)."""
    tables = [_split_table(card, splits), _class_table(card, splits)]
    if any(split["broken"] for split in splits):
        tables.append(_broken_table(splits))
    return tables


def _split_table(card: DatasetCard, splits: Sequence[Mapping[str, Json]]) -> Table:
    rows: Rows = [
        [
            split["split"],
            split["layout"],
            split["images"],
            split["expected"] or "",
            len(split["broken"]),
            _sizes(split["sizes"]),
            _share(split["ignored_pixels"], _pixels(split)),
            split["fingerprint"],
        ]
        for split in splits
    ]
    notes = []
    if any(split["images"] != split["expected"] for split in splits if split["expected"]):
        notes.append(
            "a number of images that differs from the official one is no fault, but say so beside your results"
        )
    said = {f"{name}={value}" for split in splits for name, value in split["options"].items()}
    if said:
        notes.append(f"read with {', '.join(sorted(said))}")
    columns: Columns = [
        "split",
        "layout",
        "images",
        "official",
        "broken",
        "sizes",
        Column("ignored", _SHARE),
        "fingerprint",
    ]
    return table_of(card.title, columns, rows, notes)


def _class_table(card: DatasetCard, splits: Sequence[Mapping[str, Json]]) -> Table:
    columns: Columns = [
        "class",
        *(
            column
            for split in splits
            for column in (Column(f"{split['split']} pixels", _SHARE), f"{split['split']} images")
        ),
    ]
    rows: Rows = []
    for index, name in enumerate(card.class_names):
        row: list[Value] = [f"{index} {name}"]
        for split in splits:
            row += [_share(split["class_pixels"][index], _pixels(split)), split["class_images"][index]]
        rows.append(row)
    return table_of("Share of all pixels, and images with the class", columns, rows)


def _broken_table(splits: Sequence[Mapping[str, Json]]) -> Table:
    broken = [[f"{item['path']}: {item['reason']}", split["split"]] for split in splits for item in split["broken"]]
    more = [f"and {len(broken) - _LISTED} more; --format json names all"] if len(broken) > _LISTED else []
    return table_of("Broken", ["file and reason", "split"], broken[:_LISTED], more)


def _splits(card: DatasetCard) -> str:
    return ", ".join(f"{part} {count}" if count else part for part, count in card.splits.items())


def _option(card: DatasetCard, position: int) -> str:
    option = card.options[position]
    values = "|".join(option.choices) or "VALUE"
    return f"{card.name}:{option.name}={values}  {option.meaning} (default {option.default})"


def _pixels(split: Mapping[str, Json]) -> int:
    return int(sum(split["class_pixels"])) + int(split["ignored_pixels"])


_SHARE = Format("fraction", lambda value: f"{100 * value:.2f} %")


def _share(part: int, whole: int) -> float | None:
    return part / whole if part else None


def _sizes(sizes: Mapping[str, int]) -> str:
    most = list(sizes.items())[:2]
    rest = f", {len(sizes) - len(most)} other sizes" if len(sizes) > len(most) else ""
    return ", ".join(f"{size} ({count})" for size, count in most) + rest
