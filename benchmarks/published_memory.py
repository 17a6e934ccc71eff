"""Claim: predicted training memory is what other people measured on GPUs, within 5 % for 95 of 100 networks.

`make test-libraries`, then `~/.cache/segbench/libraries/bin/python benchmarks/published_memory.py [--subset 40]`

mmsegmentation publishes the memory of 434 trainings (`torch.cuda.max_memory_allocated`, mostly on V100s with cuDNN 7
and torch 1.5, several processes under DDP, without autotuning). Each config's own training step is traced under the
torch of its time and replayed through the allocator; nothing is run. `published/mmsegmentation.csv` has the numbers,
from the `metafile.yaml` files of mmsegmentation 1.2.2.

Networks are done one after the other in this process; a line of `-o/networks.jsonl` and a file of `-o/traces` a network
remain, and the same command goes on from there. Two numbers of the model of cuDNN's workspaces were chosen on one half
of the networks, drawn by a fixed seed (`--fit` chooses again); the other half judges. ConvNeXt and PoolFormer also need
mmpretrain. Ends by writing `report.md`, `networks.csv`, `networks.md` and `published.svg`, and with 1 if the claim
fails.
"""

from __future__ import annotations

import argparse
import csv
import gc
import itertools
import json
import random
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from benchmarks.published.reasons import NOT_TRACED, reason
from benchmarks.published.scatter import named_figure, scatter
from segbench.cards.model import find_model
from segbench.cards.sources.mmseg_config import config_paths, read_config
from segbench.estimate.allocator import replay, round_size
from segbench.estimate.convolution_workspaces import Convolution, expected, winograd
from segbench.estimate.older_torch import release_of
from segbench.estimate.recorded import Recorded, WorkspaceRecording
from segbench.estimate.step import trace_step
from segbench.libraries.mmseg import classes_of
from segbench.present.csv_text import table_csv
from segbench.present.formats import BYTES, plain
from segbench.present.markdown import to_markdown
from segbench.present.table import Column, Table, table_of
from segbench.records.case import Case
from segbench.tasks.predict import workload_on_meta
from segbench.workload.step import Workload

NUMBERS = Path(__file__).parent / "published" / "mmsegmentation.csv"
UNITS = {"GiB": 2**30, "1000 MiB": 1000 * 2**20, "MiB": 2**20}
"""Training logs count MiB. Most tables have them divided by 1024; ISANet's and U-Net's three decimals are whole MiB."""
SEED, FAMILIES = 23, 20
LIMIT, WITHIN, MEDIAN = 0.05, 0.95, 0.008

_PERCENT, _RATIO = plain("{:.2%}", "fraction"), plain("{:.3f}")

Bytes = Callable[[Convolution], int]


@dataclass(frozen=True)
class Published:
    """A row of the file of numbers."""

    config: str
    published: str
    unit: str
    images: str
    gpus: str
    family: str
    trained: str
    published_as: str

    @property
    def bytes(self) -> int:
        return round(float(self.published) * UNITS[self.unit])

    @property
    def release(self) -> str:
        """Of torch, by the month of the training: the borders are ours, since no log was kept that says it.

        The first of 2023-03 on keep what torch has kept since 1.11; those before keep more.
        """
        return "1.5" if self.trained < "2021" else "1.8" if self.trained < "2023-03" else "1.12"

    @property
    def precision(self) -> str:
        """PoolFormer's configs say fp16 today, but what was published under their older names is float32's."""
        wrapper = read_config(config_paths()[self.config]).get("optim_wrapper") or {}
        mixed = wrapper.get("type") == "AmpOptimWrapper" and "fp16" in self.published_as
        return "fp16" if mixed else "fp32"

    @property
    def case(self) -> Case:
        card = find_model(f"mmseg:{self.config}").card
        return Case(
            "predict",
            f"mmseg:{self.config}",
            device="none",
            width=card.input.width,
            height=card.input.height,
            batch_size=card.recipe.batch_size,
            classes=classes_of(read_config(config_paths()[self.config])) or 1,
            precision=self.precision,
            modes=("train",),
        )


def published() -> list[Published]:
    with NUMBERS.open(encoding="utf-8", newline="") as file:
        return [Published(**row) for row in csv.DictReader(file)]


def fitted(items: Sequence[Published]) -> set[str]:
    """Configs of the half on which the model of workspaces may be fitted, drawn plainly."""
    names = sorted(item.config for item in items)
    return set(random.Random(SEED).sample(names, len(names) // 2))


def subset(items: Sequence[Published], count: int) -> list[Published]:
    """So many networks of `FAMILIES` families, from one family after the other, drawn by a fixed seed."""
    draw = random.Random(SEED)
    families: defaultdict[str, list[Published]] = defaultdict(list)
    for item in items:
        families[item.family].append(item)
    chosen = [draw.sample(families[name], len(families[name])) for name in draw.sample(sorted(families), FAMILIES)]
    rounds = itertools.chain.from_iterable(itertools.zip_longest(*chosen))
    return [item for item in rounds if item is not None][:count]


def trace(item: Published, folder: Path) -> dict[str, Any]:
    """Traces a network, keeps the trace, and tells of it."""
    start = time.process_time()
    line: dict[str, Any] = {"config": item.config, "release": item.release}
    try:
        recorded, found = _recorded(item.case, item.release)
    except Exception as error:  # whatever a library raises is this network's outcome
        return line | {"cause": f"{type(error).__name__}: {error}".partition("\n")[0][:200]}
    bare = recorded.log.without("workspaces")
    position, live = bare.peak
    newest = bare.storages[abs(bare.events[position]) - 1]
    seconds = time.process_time() - start
    (folder / f"{item.config}.json.xz").write_bytes(recorded.to_bytes())
    case = item.case
    return line | {
        "width": case.width,
        "height": case.height,
        "batch": case.batch_size,
        "precision": case.precision,
        "live": live,
        "peak": [bare.mark_at(position).phase, newest.operator, newest.module],
        "breakdown": bare.breakdown(),
        "parameters": found.parameters,
        "operators": found.operators,
        "assumptions": found.assumptions,
        "seconds": round(seconds, 2),
    }


def _recorded(case: Case, release: str) -> tuple[Recorded, Any]:
    recording = WorkspaceRecording()
    kept: list[Workload] = []

    def build() -> Workload:
        kept.append(workload_on_meta(case))
        return kept[-1]

    # SyncBN counts the images of all processes, so that one of a map pooled to a single pixel is enough
    with patch.object(torch.nn.functional, "_verify_batch_size", lambda _: None):
        found = trace_step(
            build, "train", case.batch_size, overheads=recording, strategy="ddp", release=release_of(release)
        )
    return Recorded(found.log, tuple(recording.seen)), found


@dataclass(frozen=True)
class Network:
    """A traced network beside its published number.

    Attributes:
        item: what was published.
        line: what its trace told.
        recorded: its trace.
    """

    item: Published
    line: dict[str, Any]
    recorded: Recorded

    @cached_property
    def allocated(self) -> tuple[int, int, int]:
        """Bytes without workspaces, with the expected ones, and then reserved ones, all from the first step on."""
        bare = replay(self.recorded.with_workspaces(lambda _: 0))
        full = replay(self.recorded.with_workspaces(expected))
        return (
            max(bare.allocated_peak, bare.warmup_peak),
            max(full.allocated_peak, full.warmup_peak),
            full.reserved_peak,
        )

    @cached_property
    def moments(self) -> tuple[int, list[tuple[int, Convolution]]]:
        """Most bytes alive without workspaces, and at each convolution, by which a fit is quick."""
        alive = most = 0
        at: dict[Convolution, int] = {}
        for event in self.recorded.log.events:
            storage = self.recorded.log.storages[abs(event) - 1]
            convolution = self.recorded.convolution_at(storage)
            if convolution is None:
                alive += round_size(storage.bytes) if event > 0 else -round_size(storage.bytes)
                most = max(most, alive)
            elif event > 0:
                at[convolution] = max(at.get(convolution, 0), alive)
        return most, [(alive, convolution) for convolution, alive in at.items()]

    @property
    def ratio(self) -> float:
        """Predicted to published."""
        return self.allocated[1] / self.item.bytes

    def ratio_with(self, bytes_of: Bytes) -> float:
        """The same with other workspaces, without the allocator's fragments beyond those of the bare replay."""
        most, at = self.moments
        more = max([most, *(alive + bytes_of(convolution) for alive, convolution in at)]) - most
        return (self.allocated[0] + more) / self.item.bytes


GRID = list(itertools.product((1, 32, 64, 128), (0, 3000, 6000, 9000, 10**9)))
"""Least channels and most tiles of whole outputs."""


def fit(networks: Sequence[Network]) -> tuple[int, int]:
    """The pair of the grid with the least mean error, of which one network counts at most 10 %."""

    def error(pair: tuple[int, int]) -> float:
        bytes_of = partial(winograd, least=pair[0], whole=pair[1])
        return statistics.fmean(min(abs(item.ratio_with(bytes_of) - 1), 0.1) for item in networks)

    return min(GRID, key=error)


def halves(networks: Sequence[Network]) -> Table:
    """How far predictions are from published numbers, on the half that was fitted and on the other."""
    own = fitted(published())
    apart = [item for item in networks if item.item.config not in own]
    groups = {
        "all": networks,
        "fitted": [item for item in networks if item.item.config in own],
        "not fitted": apart,
        "not fitted, fp32": [item for item in apart if item.line["precision"] == "fp32"],
        "fp16, which was not fitted": [item for item in networks if item.line["precision"] == "fp16"],
    }
    columns: list[str | Column] = ["", "workspaces", "networks", "families"]
    columns += [Column(name, _PERCENT) for name in _STATISTICS]
    rows: list[list[Any]] = []
    for (name, group), (workspaces, place) in itertools.product(groups.items(), (("none", 0), ("expected", 1))):
        if len(group) > 1:
            ratios = [item.allocated[place] / item.item.bytes for item in group]
            rows.append([name, workspaces, len(group), len({i.item.family for i in group}), *spread(ratios).values()])
    return table_of("Predicted and published memory of training", columns, rows, [])


_STATISTICS = (
    "median",
    "median absolute",
    "within 1 %",
    "within 2 %",
    "within 5 %",
    "5th percentile",
    "95th percentile",
)


def spread(ratios: Sequence[float]) -> dict[str, float]:
    """Of ratios of predicted to published bytes, by the names of `_STATISTICS`."""
    errors = sorted(ratio - 1 for ratio in ratios)
    cuts = statistics.quantiles(errors, n=20, method="inclusive")
    values = [
        statistics.median(errors),
        statistics.median(map(abs, errors)),
        *(statistics.fmean(abs(error) <= limit for error in errors) for limit in (0.01, 0.02, LIMIT)),
        cuts[0],
        cuts[-1],
    ]
    return dict(zip(_STATISTICS, values, strict=True))


def networks_table(networks: Sequence[Network], untraced: dict[str, str]) -> Table:
    """Every network, the furthest first; then those without a prediction."""
    columns: list[str | Column] = [
        "network",
        "family",
        "trained",
        Column("conditions", left=True),
        Column("published", BYTES),
        Column("live", BYTES),
        Column("allocated without workspaces", BYTES),
        Column("allocated", BYTES),
        Column("reserved", BYTES),
        Column("ratio", _RATIO),
        Column("at the peak", left=True),
        Column("why beyond 5 %", left=True),
    ]
    ordered = sorted(networks, key=lambda item: -abs(item.ratio - 1))
    items = {item.config: item for item in published()}
    rows: list[list[Any]] = [_row(item) for item in ordered]
    rows += [
        [config, items[config].family, items[config].trained, "", items[config].bytes, *[None] * 5, "", cause]
        for config, cause in untraced.items()
    ]
    return table_of("Published and predicted memory of training", columns, rows, _notes(networks))


def _row(item: Network) -> list[Any]:
    line, (bare, allocated, reserved) = item.line, item.allocated
    conditions = f"{line['batch']} of {line['width']}x{line['height']}, {line['precision']}, torch {line['release']}"
    return [
        item.item.config,
        item.item.family,
        item.item.trained,
        conditions,
        item.item.bytes,
        line["live"],
        bare,
        allocated,
        reserved,
        item.ratio,
        ", ".join(filter(None, line["peak"])),
        reason(item.item.config) if abs(item.ratio - 1) > LIMIT else "",
    ]


def beyond(networks: Sequence[Network]) -> Table:
    """Those further than the limit, and why."""
    far = sorted((item for item in networks if abs(item.ratio - 1) > LIMIT), key=lambda item: -abs(item.ratio - 1))
    rows: list[list[Any]] = [
        [item.item.config, item.item.bytes, item.allocated[1], item.ratio, reason(item.item.config)] for item in far
    ]
    columns: list[str | Column] = ["network", Column("published", BYTES), Column("predicted", BYTES)]
    columns += [Column("ratio", _RATIO), Column("why", left=True)]
    return table_of("Further than 5 %", columns, rows, _notes(networks))


def _notes(networks: Sequence[Network]) -> list[str]:
    seconds = [item.line["seconds"] for item in networks]
    return [
        "published: torch.cuda.max_memory_allocated of one process, as mmsegmentation's tables have it",
        "predicted: of one DDP process that copies gradients into buckets, under the torch of its time; ratio: "
        "allocated bytes with expected workspaces to published",
        f"a prediction took {statistics.median(seconds):.2f} CPU seconds in the median, {max(seconds):.1f} at most",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", metavar="WORD", help="only networks whose names have one of these parts")
    parser.add_argument("-o", "--output", type=Path, default=Path("reports/local/published-memory"))
    parser.add_argument("--subset", type=int, metavar="N", help=f"so many networks of {FAMILIES} families")
    parser.add_argument("--fit", action="store_true", help="choose the workspaces' two numbers on the fitted half")
    options = parser.parse_args()
    torch.set_num_threads(1)
    wanted = [item for item in published() if not options.words or any(word in item.config for word in options.words)]
    if options.subset:
        wanted = subset([item for item in wanted if not _untraced(item)], options.subset)
    networks, untraced = traced(wanted, options.output)
    if options.fit:
        least, whole = fit([item for item in networks if item.item.config in fitted(published())])
        print(f"fits best: {least} channels at least, whole outputs up to {whole} tiles")
    sys.exit(0 if report(networks, untraced, options.output) else 1)


def traced(wanted: Sequence[Published], folder: Path) -> tuple[list[Network], dict[str, str]]:
    """Every wanted network that has a trace, after those that had none got theirs; and why others have none."""
    traces, lines = folder / "traces", folder / "networks.jsonl"
    traces.mkdir(parents=True, exist_ok=True)
    done = {line["config"]: line for line in map(json.loads, lines.read_text().splitlines())} if lines.exists() else {}
    for item in wanted:
        if item.config not in done and not _untraced(item):
            done[item.config] = trace(item, traces)
            with lines.open("a", encoding="utf-8") as file:
                file.write(json.dumps(done[item.config]) + "\n")
            print(
                done[item.config].get("seconds", "      "), item.config, done[item.config].get("cause", ""), flush=True
            )
            gc.collect()
    untraced = {item.config: _untraced(item) or done[item.config].get("cause", "") for item in wanted}
    return [
        Network(item, done[item.config], Recorded.from_bytes((traces / f"{item.config}.json.xz").read_bytes()))
        for item in wanted
        if not untraced[item.config]
    ], {config: cause for config, cause in untraced.items() if cause}


def _untraced(item: Published) -> str:
    return next((cause for begin, cause in NOT_TRACED.items() if item.config.startswith(begin)), "")


def report(networks: Sequence[Network], untraced: dict[str, str], folder: Path) -> bool:
    """Writes tables and figure; whether the claim holds of the networks that were not fitted."""
    table, judged = networks_table(networks, untraced), halves(networks)
    (folder / "networks.csv").write_text(table_csv(table), encoding="utf-8")
    (folder / "networks.md").write_text(to_markdown(table), encoding="utf-8")
    figure = scatter([(i.item.config, i.item.family, i.item.bytes, i.allocated[1]) for i in networks])
    named_figure(figure, folder)
    shown = f"![{figure.title}]({figure.image})\n\n{figure.caption} [Every network](networks.md)."
    parts = [f"# {figure.title}", shown, *map(to_markdown, (judged, beyond(networks)))]
    (folder / "report.md").write_text("\n\n".join(map(str.strip, parts)) + "\n", encoding="utf-8")
    print(to_markdown(judged), *table.notes, sep="\n")
    own = fitted(published())
    found = spread([item.ratio for item in networks if item.item.config not in own])
    return found["median absolute"] <= MEDIAN and found["within 5 %"] >= WITHIN


if __name__ == "__main__":
    main()
