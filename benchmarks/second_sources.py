"""Predicted memory beside figures that other people published, to which nothing was fitted.

`make test-libraries`, then `~/.cache/segbench/libraries/bin/python benchmarks/second_sources.py [WORD ...]`

`published/second_sources.csv` has the figures with their conditions, and why some compare with no prediction. Each of
the others is predicted without a device under the GPU's and torch's habits where they are said. What
`torch.cuda.max_memory_allocated` told is set beside allocated bytes; what nvidia-smi told beside reserved bytes and the
assumed CUDA context; where nobody says which it was, both ratios stand. WORDs choose rows by parts of their source or
network. Writes `report.md`, `networks.csv` and `networks.md` into `-o`.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.library_networks import Kept
from segbench.devices.capabilities import gpu_assumptions
from segbench.present.csv_text import table_csv
from segbench.present.formats import BYTES, plain
from segbench.present.markdown import to_markdown
from segbench.present.table import Column, Table, table_of
from segbench.records.case import Case
from segbench.records.options import PredictOptions
from segbench.tasks import predict
from segbench.units import parse_bytes

ROOT = Path(__file__).parent.parent
FIGURES = Path(__file__).parent / "published" / "second_sources.csv"

ALLOCATED, RESERVED, PROCESS = "max_memory_allocated", "max_memory_reserved", "nvidia-smi"
COMPARED = {
    ALLOCATED: ("allocated",),
    RESERVED: ("reserved",),
    PROCESS: ("process",),
    "unknown": ("allocated", "process"),
}
"""What a figure is -> with which predicted bytes it is compared."""

KINDS = ("allocated", "reserved", "process")

_RATIO = plain("{:.3f}")


@dataclass(frozen=True)
class Figure:
    """A row of the file.

    Attributes:
        source, where: what was read.
        network: as `-m` takes it, files from the repository's root; anything in a row that is not compared.
        figure: how the bytes were read, a key of `COMPARED`.
        published, unit: as printed, and what the unit was read as.
        conditions: what else the source says.
        not_comparable: the reason; empty where a prediction is compared.
    """

    source: str
    where: str
    network: str
    classes: str
    batch: str
    width: str
    height: str
    precision: str
    optimizer: str
    mode: str
    strategy: str
    torch: str
    gpu: str
    figure: str
    published: str
    unit: str
    conditions: str
    not_comparable: str

    @property
    def bytes(self) -> int:
        return parse_bytes(f"{self.published} {self.unit}")

    @property
    def release(self) -> str | None:
        """Of torch; mmsegmentation's trainings that do not say it take what `published_memory` takes from 2023 on."""
        return self.torch or ("1.12" if self.network.startswith("mmseg:") else None)

    @property
    def case(self) -> Case:
        options = {"strategy": self.strategy, "assume_torch": self.release, **gpu_assumptions(self.gpu)}
        return Case(
            "predict",
            str(ROOT / self.network) if ".py:" in self.network else self.network,
            device="none",
            width=int(self.width),
            height=int(self.height),
            batch_size=int(self.batch),
            infer_batch=int(self.batch),
            modes=(self.mode,),
            classes=int(self.classes),
            precision=self.precision,
            optimizer=self.optimizer or None,
            options=PredictOptions.parse(options),
        )

    @property
    def described(self) -> str:
        """What is known of the conditions, in words."""
        size = f"{self.batch or '?'} of {self.width or '?'}x{self.height or '?'}"
        release = f"torch {self.torch}" if self.torch else f"torch as {self.release}" if self.release else ""
        return ", ".join(filter(None, [size, self.mode, self.precision, self.optimizer, self.gpu, release]))


def figures(words: Sequence[str] = ()) -> list[Figure]:
    """Those whose source or network has one of the words."""
    with FIGURES.open(encoding="utf-8", newline="") as file:
        found = [Figure(**row) for row in csv.DictReader(file)]
    return [item for item in found if not words or any(word in item.source + item.network for word in words)]


def predicted(case: Case) -> dict[str, int]:
    """Bytes of every kind that the case's only mode takes."""
    kept = Kept()
    with warnings.catch_warnings(action="ignore"):
        predict.run(case, kept)
    values = {item.quantity: item.value for item in kept.measurements}
    return {kind: int(values[f"{case.modes[0]}_peak_{kind}_bytes"] or 0) for kind in KINDS}


@dataclass(frozen=True)
class Comparison:
    """A figure and its prediction."""

    figure: Figure
    predicted: dict[str, int]

    def ratio(self, kind: str) -> float:
        """Of predicted bytes of that kind to the published ones."""
        return self.predicted[kind] / self.figure.bytes

    @property
    def ratios(self) -> list[float | None]:
        """Of allocated, reserved and process bytes; None where the figure is of another kind."""
        return [self.ratio(kind) if kind in COMPARED[self.figure.figure] else None for kind in KINDS]


def compared(items: Sequence[Figure]) -> list[Comparison]:
    """Every figure that can be, one after the other."""
    found = []
    for item in items:
        if not item.not_comparable:
            found.append(Comparison(item, predicted(item.case)))
            print(item.source, item.network, item.batch, *found[-1].ratios, flush=True)
    return found


def networks_table(found: Sequence[Comparison], others: Sequence[Figure]) -> Table:
    """Every figure in the file's order, those without a prediction last."""
    columns: list[str | Column] = [Column(name, left=True) for name in ("source", "network", "conditions", "figure")]
    columns += [Column(name, BYTES) for name in ("published", *KINDS)]
    columns += [Column(f"ratio of {kind}", _RATIO) for kind in KINDS]
    columns += [Column(name, left=True) for name in ("said", "not compared")]
    rows: list[list[Any]] = [
        [*_named(item.figure), *item.predicted.values(), *item.ratios, item.figure.conditions, ""] for item in found
    ]
    rows += [[*_named(item), *[None] * 6, item.conditions, item.not_comparable] for item in others]
    return table_of("Published figures of other sources, and predicted memory", columns, rows, NOTES)


def _named(item: Figure) -> list[Any]:
    return [f"{item.source}, {item.where}", item.network, item.described, item.figure, item.bytes]


NOTES = [
    "nothing was fitted to these figures; cuDNN's workspaces are the expected ones of predictions' usual model",
    "process: reserved bytes and a CUDA context of 500 MiB, which is assumed; nvidia-smi's figures may also have what "
    "the driver keeps of an idle GPU",
]


def sources_table(found: Sequence[Comparison]) -> Table:
    """How far predictions are, by what was read there, its mode and the kind of figure."""
    columns: list[str | Column] = [*(Column(name, left=True) for name in ("source", "mode", "figure", "beside"))]
    columns += ["figures", *(Column(name, _RATIO) for name in ("least", "median", "most"))]
    groups: dict[tuple[str, str, str, str], list[float]] = {}
    for item in found:
        figure = item.figure
        for kind in COMPARED[figure.figure]:
            names = (f"{figure.source}, {figure.where}", figure.mode, figure.figure, kind)
            groups.setdefault(names, []).append(item.ratio(kind))
    rows: list[list[Any]] = [
        [*names, len(ratios), min(ratios), statistics.median(ratios), max(ratios)] for names, ratios in groups.items()
    ]
    return table_of("Ratio of predicted to published memory, by source", columns, rows, NOTES)


def slopes_table(found: Sequence[Comparison]) -> Table:
    """Bytes of one more image between two batches of a network, in which context and driver cancel."""
    columns: list[str | Column] = [Column(name, left=True) for name in ("network", "where", "precision", "batches")]
    columns += [Column("published", BYTES), Column("predicted", BYTES), Column("ratio", _RATIO)]
    groups: dict[tuple[str, str, str], list[Comparison]] = {}
    for item in found:
        if item.figure.figure == PROCESS:
            groups.setdefault((item.figure.network, item.figure.where, item.figure.precision), []).append(item)
    rows: list[list[Any]] = []
    for (network, where, precision), items in groups.items():
        first, last = items[0], items[-1]
        images = int(last.figure.batch) - int(first.figure.batch)
        real = (last.figure.bytes - first.figure.bytes) / images
        foreseen = (last.predicted["process"] - first.predicted["process"]) / images
        batches = f"{first.figure.batch} and {last.figure.batch}"
        rows.append([network, where, precision, batches, round(real), round(foreseen), foreseen / real])
    return table_of("Bytes of one more image", columns, rows, NOTES)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", metavar="WORD", help="only rows whose source or network has one of these")
    parser.add_argument("-o", "--output", type=Path, default=Path("reports/local/second-sources"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    items = figures(options.words)
    found = compared(items)
    whole = networks_table(found, [item for item in items if item.not_comparable])
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "networks.csv").write_text(table_csv(whole), encoding="utf-8")
    (options.output / "networks.md").write_text(to_markdown(whole), encoding="utf-8")
    tables = [to_markdown(table).strip() for table in (sources_table(found), slopes_table(found))]
    links = "[Every figure](networks.md), [what agrees, what does not and why](notes.md)."
    text = "\n\n".join(["# Memory that other people measured, and predictions", links, *tables]) + "\n"
    (options.output / "report.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
