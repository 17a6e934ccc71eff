"""Claim: SegNode is cheaper than HRNetV2-W48 on every row: parameters, memory and time, in training and in testing.

Memory is predicted for CUDA (live bytes, 480x360, 24 images in training and 1 in testing). Times are measured on this
machine's CPU (2 images, 240x180 unless told) in rounds: each network makes a training step and a few inferences a
round, in an order drawn anew, and a ratio is taken within a round. Each of the two in a process of its own, begun for
that round: what one network, or a training step, leaves in the heap slows what comes next. The first step and the first
inference do not count. All train with SGD with momentum, so that the optimizer's memory is alike. Rivals that use the
same means are in the same run: module checkpoints and recomputed norms for HRNetV2 and for the residual baseline, the
layout channels_last for all (`+channels_last` after a network's name). Close other programs: the ratios are worth
nothing on a busy machine. Ends with 1 if a claim fails.

    python benchmarks/segnode_vs_hrnet.py -o reports/segnode-vs-hrnet

SegNode as the paper ran it (adaptive steps, adjoint) takes minutes a training step: with --paper it is timed, once.
"""

from __future__ import annotations

import argparse
import gc
import random
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from statistics import median

import torch

from segbench.cards.model import find_model
from segbench.errors import UserError
from segbench.estimate.prediction import predict_step
from segbench.meters.contention import ContentionMeter
from segbench.ode.block import ODEBlock
from segbench.ode.methods import GRADIENT_METHODS
from segbench.present.amounts import MISSING, in_bytes, in_millions, in_seconds
from segbench.present.export import Exports, write_exports
from segbench.present.markdown import to_markdown
from segbench.present.table import Table, table_of
from segbench.records.case import Case
from segbench.records.environment import Environment
from segbench.records.host import cpu_name
from segbench.records.ledger import Entry, Ledger
from segbench.records.measurement import Measurement
from segbench.records.rows import tidy_rows
from segbench.tasks.environment import describe
from segbench.tasks.predict import workload_on_meta
from segbench.units import parse_size
from segbench.workload.step import Workload, build_workload

REFERENCE_MODEL = "hrnetv2"
CHANNELS_LAST = "+channels_last"
NETWORKS = (
    REFERENCE_MODEL,
    "hrnetv2+recompute",
    "hrnetv2+checkpoint",
    "hrnetv2+recompute+checkpoint",
    "hrnetv2+channels_last",
    "baseline",
    "baseline+recompute",
    "baseline+checkpoint",
    "baseline+recompute+checkpoint",
    "baseline+channels_last",
    "segnode",
    "segnode+channels_last",
    "segnode-low-memory",
    "segnode-low-memory+channels_last",
    "segnode-paper",
)
SLOW = "segnode-paper"
INFERENCES = 5

_BOTH = {"train time": 0.80, "inference memory": 0.35, "parameters": 0.35}
CLAIMS: Mapping[str, Mapping[str, float]] = {
    "segnode": {**_BOTH, "train memory": 0.28},
    "segnode-low-memory": {**_BOTH, "train memory": 0.15},
    f"segnode{CHANNELS_LAST}": {**_BOTH, "train memory": 0.28, "latency": 0.70},
    f"segnode-low-memory{CHANNELS_LAST}": {**_BOTH, "train memory": 0.15, "latency": 0.55},
}
"""Ratios to plain HRNetV2 that must not be exceeded. Test time is claimed for the layout channels_last, which HRNetV2
gains from as well: its own row in that layout stands beside."""

PAPER = {"parameters": 0.32, "train memory": 0.43, "inference memory": 0.58, "train time": 1.89, "latency": 2.44}
"""SegNode to HRNetV2 in the paper's table 2, on a V100: epochs at each network's own largest batch."""

QUANTITIES = {
    "parameters": "parameters",
    "train memory": "train_peak_live_bytes",
    "inference memory": "infer_peak_live_bytes",
    "train time": "train_step_s",
    "latency": "batch_latency_s",
}


@dataclass
class Contender:
    """One network with everything found out about it.

    Attributes:
        name: a card with switches, channels_last among them.
        seconds: samples by quantity, one a round.
    """

    name: str
    rows: list[Measurement] = field(default_factory=list)
    seconds: dict[str, list[float]] = field(default_factory=lambda: {"train_step_s": [], "batch_latency_s": []})

    def value(self, column: str) -> float | None:
        found = [row.value for row in self.rows if row.quantity == QUANTITIES[column]]
        return found[0] if found else None

    def ratios(self, column: str, rival: Contender) -> list[float]:
        """To the rival: round by round for times, a single one for the rest."""
        name = QUANTITIES[column]
        if name in self.seconds:
            return [mine / its for mine, its in zip(self.seconds[name], rival.seconds[name], strict=False)]
        mine, its = self.value(column), rival.value(column)
        return [mine / its] if mine is not None and its else []


def main() -> None:
    given = _options()
    torch.set_num_threads(given.threads)
    contenders = [Contender(name) for name in given.networks]
    cases = {item.name: _case(item.name, given) for item in contenders}
    environment = describe(cases[contenders[0].name])
    predict(contenders, cases, given.memory_batch)
    busy = measure(contenders, cases, given.rounds, given.paper)
    entries = [_entry(item, cases[item.name], environment) for item in contenders]
    sheet = table(contenders, cases, given, busy)
    _write(entries, sheet, given.output)
    print(to_markdown(sheet))
    failed = list(broken_claims(contenders))
    for sentence in failed:
        print(f"claim fails: {sentence}")
    sys.exit(1 if failed else 0)


def _options() -> argparse.Namespace:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--networks", nargs="+", default=NETWORKS, help="the first is what the others are related to")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--threads", type=int, default=torch.get_num_threads())
    options.add_argument("--memory-batch", type=int, default=24)
    options.add_argument("--input", type=_size, default=(240, 180), metavar="WxH", help="of the times")
    options.add_argument("--paper", action="store_true", help="time the paper's own variant too, once")
    options.add_argument("-o", "--output", type=Path, help="folder of table.md, rows.csv and ledger.jsonl")
    return options.parse_args()


def _size(text: str) -> tuple[int, int]:
    try:
        return parse_size(text)
    except UserError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _case(name: str, given: argparse.Namespace) -> Case:
    """Times: two images; everything trains with SGD."""
    width, height = given.input
    return Case(
        "benchmark",
        name.removesuffix(CHANNELS_LAST),
        width=width,
        height=height,
        batch_size=2,
        infer_batch=2,
        optimizer="sgd",
        threads=given.threads,
        channels_last=name.endswith(CHANNELS_LAST),
    )


def predict(contenders: Sequence[Contender], cases: Mapping[str, Case], batch: int) -> None:
    """Parameters and both memory peaks at the paper's size, and the evaluations of f."""
    for item in contenders:
        _say(f"{item.name}: memory")
        nfe = evaluations(cases[item.name])
        case = replace(cases[item.name], width=480, height=360, device="none")
        for mode, images in (("train", batch), ("infer", 1)):
            found = predict_step(lambda: workload_on_meta(case), mode, images, nfe=nfe)  # noqa: B023
            factors = {"width": 480, "height": 360, "batch_size": images}
            if mode == "train":
                item.rows.append(Measurement("parameters", found.parameters, "counted"))
            item.rows.append(Measurement(f"{mode}_peak_live_bytes", found.live, "predicted", mode, factors=factors))
        if nfe is not None:
            item.rows.append(Measurement("nfe_forward", nfe, "counted", factors={"batch_size": 2}))


@torch.no_grad()
def evaluations(case: Case) -> int | None:
    """Of f in one solve as in training; None for a network without a solver."""
    workload = build_workload(case, "cpu")
    blocks = [module for module in workload.network.modules() if isinstance(module, ODEBlock)]
    if not blocks:
        return None
    workload.network.train()(workload.make_batch()[0])
    return round(max(block.nfe_forward for block in blocks))


def measure(contenders: Sequence[Contender], cases: Mapping[str, Case], rounds: int, paper: bool) -> float:
    """A step and some inferences of each network a round, the paper's own variant only once.

    Returns:
        Cores that other programs used meanwhile.
    """
    racing = [item for item in contenders if item.name != SLOW]
    order = random.Random(0)
    others = ContentionMeter()
    for number in range(rounds):
        for item in order.sample(racing, len(racing)):
            _say(f"round {number + 1} of {rounds}, {item.name}")
            _time(item, cases[item.name], warm=True)
    busy = others.others_cores()
    for item in contenders:
        if item.name == SLOW and paper:
            _say(f"{item.name}: one step, minutes")
            _time(item, cases[item.name], warm=False)
        item.rows += [
            Measurement(name, median(samples), "measured:host", _mode(name), samples=tuple(samples))
            for name, samples in item.seconds.items()
            if samples
        ]
    return busy


def _time(item: Contender, case: Case, *, warm: bool) -> None:
    """Adds a sample of each time, taken in new processes."""
    for name, measured in (("train_step_s", _training_step), ("batch_latency_s", _inference)):
        with ProcessPoolExecutor(1, get_context("spawn")) as process:
            item.seconds[name].append(process.submit(measured, case, warm).result())


def _training_step(case: Case, warm: bool) -> float:
    workload = _built(case)
    images, labels = workload.make_batch()
    if warm:
        workload.train_step(images, labels)
        gc.collect()
    return _seconds(lambda: workload.train_step(images, labels))


def _inference(case: Case, warm: bool) -> float:
    """The median of a few."""
    workload = _built(case)
    images, _ = workload.make_batch()
    if not warm:
        return _seconds(lambda: workload.infer(images))
    workload.infer(images)
    return median(_seconds(lambda: workload.infer(images)) for _ in range(INFERENCES))


def _built(case: Case) -> Workload:
    if case.threads:
        torch.set_num_threads(case.threads)
    return build_workload(case, "cpu")


def _seconds(run: Callable[[], object]) -> float:
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def _mode(name: str) -> str:
    return "train" if name.startswith("train") else "infer"


def table(contenders: Sequence[Contender], cases: Mapping[str, Case], given: argparse.Namespace, busy: float) -> Table:
    """One row a network: how it is solved and differentiated, values, and ratios to the first."""
    rival = contenders[0]
    columns = ["network", "how", "gradient", "NFE", "parameters"]
    columns += [part for column in list(QUANTITIES)[1:] for part in (column, "ratio")]
    rows = [_row(item, cases[item.name], rival) for item in contenders]
    blank = [MISSING] * 4
    rows.append(["paper, SegNode", *blank[:3], f"{PAPER['parameters']:.2f}"])
    rows[-1] += [part for column in list(QUANTITIES)[1:] for part in (MISSING, f"{PAPER[column]:.2f}")]
    width, height = given.input
    notes = [
        f"ratios to {rival.name}; memory: predicted live bytes for CUDA, 480x360, {given.memory_batch} images in"
        " training and 1 in testing, SGD with momentum",
        f"times: {cpu_name()}, {given.threads} threads, {width}x{height}, 2 images, torch"
        f" {torch.__version__}, median of {given.rounds} interleaved rounds, each time in a process of its own; ratios:"
        " median of the rounds' (least to most)",
        f"other programs used {busy:g} cores meanwhile" + ("" if busy < 0.2 else ": do not quote these times"),
        "paper: V100, epochs at each network's largest batch; exact: for the discrete solution, up to rounding",
    ]
    if not given.paper and SLOW in cases:
        notes.append(f"{SLOW} is not timed: a training step takes minutes; --paper runs one")
    return table_of("SegNode and HRNetV2", columns, rows, notes)


def _row(item: Contender, case: Case, rival: Contender) -> list[str]:
    how, gradient = _solving(case)
    nfe = next((f"{row.value:g}" for row in item.rows if row.quantity == "nfe_forward"), MISSING)
    row = [
        item.name,
        how,
        gradient,
        nfe,
        f"{in_millions(item.value('parameters'))} ({_ratio(item, 'parameters', rival)})",
    ]
    for column in list(QUANTITIES)[1:]:
        shown = in_bytes if "memory" in column else in_seconds
        row += [shown(item.value(column)), _ratio(item, column, rival)]
    return row


def _solving(case: Case) -> tuple[str, str]:
    """`euler N=4, group norm, recompute` and `backprop, exact`."""
    model = find_model(case.model)
    arguments = model.card.arguments
    parts = [*model.optimisations, *(["recompute"] if arguments.get("recompute") else [])]
    parts += ["channels_last"] if case.channels_last else []
    if "solver" not in arguments:
        return ", ".join(parts) or "plain", "backprop, exact"
    solver, gradient = arguments["solver"], arguments["gradient"]
    grid = f"N={arguments['steps']}" if "steps" in arguments else f"rtol {arguments['rtol']:g}"
    exact = "exact" if GRADIENT_METHODS[solver][gradient].exact else "approximate"
    return ", ".join([f"{solver} {grid}", f"{arguments['norm']} norm", *parts]), f"{gradient}, {exact}"


def _ratio(item: Contender, column: str, rival: Contender) -> str:
    found = item.ratios(column, rival)
    if not found:
        return MISSING
    spread = f" ({min(found):.2f} to {max(found):.2f})" if len(found) > 1 and item is not rival else ""
    return f"{median(found):.2f}{spread}"


def broken_claims(contenders: Sequence[Contender]) -> Iterator[str]:
    """What exceeds its limit, as sentences."""
    for item in contenders:
        for column, limit in CLAIMS.get(item.name, {}).items():
            found = item.ratios(column, contenders[0])
            if found and median(found) > limit:
                yield f"{item.name}, {column}: {median(found):.3f} of {contenders[0].name}'s, at most {limit:g} claimed"


def _entry(item: Contender, case: Case, environment: Environment) -> Entry:
    """A ledger's record; `run` is the same for all networks of this run."""
    model = find_model(case.model)
    return Entry(
        run=_RUN,
        key=case.key(model.card.hash(), cpu_name(), torch.__version__),
        model=case.model,
        card_hash=model.card.hash(),
        arguments=model.card.arguments,
        case=case,
        environment=environment,
        outcome="ok",
        cause=None,
        measurements=tuple(item.rows),
        seconds=time.perf_counter() - _BEGUN,
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
    )


_BEGUN = time.perf_counter()
_RUN = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-segnode-{secrets.token_hex(2)}"


def _write(entries: Sequence[Entry], sheet: Table, folder: Path | None) -> None:
    if folder is None:
        return
    ledger = Ledger(folder)
    for entry in entries:
        ledger.append(entry)
    write_exports(Exports(csv=folder / "rows.csv", markdown=folder / "table.md"), tidy_rows(entries), [sheet])


def _say(what: str) -> None:
    print(f"{time.perf_counter() - _BEGUN:6.0f} s  {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
