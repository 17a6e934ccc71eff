"""`segbench trajectory`: accuracy against compute along a network's time, and answers that stop by themselves."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, ClassVar

from rich.console import Console
from typer import Option

from segbench.cards.model import Model
from segbench.cells.parts import once_and_in_rounds
from segbench.cells.series import Done
from segbench.cli.checkpoints import SHIPPED, TrainedNetwork, digest_of, trained_networks
from segbench.cli.flags import Group, flags
from segbench.cli.groups import (
    BatchFlags,
    ConditionFlags,
    LabelledFlags,
    NetworkFlags,
    OutputFlags,
    RunFlags,
    case_fields,
    texts,
)
from segbench.cli.session import Session
from segbench.cli.timing import print_advice_on_curves
from segbench.cli.trained import TrainedFlags
from segbench.errors import UserError
from segbench.present.trajectory import trajectory_tables
from segbench.records.case import Case
from segbench.records.dataset_spec import published_dataset
from segbench.records.options import TrajectoryOptions
from segbench.statistics.stopping import StopRule

_Models = Annotated[
    list[str] | None,
    Option("-m", "--model", help=f"An ODE network, or one with exits; repeatable. \\[default: {SHIPPED}]"),
]
_Folder = Annotated[Path, Option("-o", "--output", help="Folder of trajectory.png and its companions.")]


@dataclass(frozen=True, kw_only=True)
class EndFlags(Group):
    """Where the solve ends, and how it is shown and timed."""

    panel: ClassVar[str] = "Trajectory"

    times: Annotated[
        str | None, Option("--times", help="End times, 0:1:0.125 or 0,0.5,1. \\[default: the solver's grid]")
    ] = None
    steps: Annotated[
        str | None,
        Option("--steps", help="Other numbers of steps for the whole solve, 1,2,8; none. \\[default: 1, half, double]"),
    ] = None
    solver: Annotated[
        list[str] | None,
        Option("--solver", help="A curve for each of these solvers; repeatable. \\[default: the model card's]"),
    ] = None
    stop: Annotated[
        list[str] | None,
        Option("--stop", help='Stop each image by itself: "change<0.05", confidence, state, oracle; repeatable.'),
    ] = None
    pictures: Annotated[int, Option("--pictures", help="Images in the strip.", min=0)] = 3
    rounds: Annotated[int, Option("--rounds", help="Fresh processes that time the ends, at least.", min=1)] = 3
    runs: Annotated[
        int, Option("--runs", help="Timed calls of each end over all rounds, at most.", min=2, max=100_000)
    ] = 12
    max_seconds: Annotated[float, Option("--max-seconds", help="Timing starts no further round after them.")] = 60.0

    def rule(self) -> StopRule:
        """How long the ends are timed: a few calls of each in a few processes, for there are many ends."""
        most = self.rounds * math.ceil(self.runs / self.rounds)
        least = min(2 * self.rounds, most)
        return StopRule(min_rounds=self.rounds, min_runs=least, max_runs=most, max_seconds=self.max_seconds)


@flags(without=("optimizer", "batch_size"), timeout=86400.0, split="val")
def trajectory(
    ends: EndFlags,
    trained: TrainedFlags,
    data: LabelledFlags,
    batch: BatchFlags,
    conditions: ConditionFlags,
    run: RunFlags,
    results: OutputFlags,
    model: _Models = None,
    output: _Folder = Path(),
) -> None:
    """What every end time of a trained ODE network costs and how accurate it is, and every number of steps.

    Writes trajectory.png (mIoU against evaluations, operations and time), trajectory-error.png (the error over time)
    and trajectory-strip.png (some images over time). Without a model: the network that comes with segbench, on
    synthetic streets, in less than a minute.

    Accuracy is measured once; the ends are timed afterwards in rounds of fresh processes, in which they take turns.
    """
    session = Session(run, results)
    network = NetworkFlags(model=model or [SHIPPED], argument=trained.argument)
    fields = case_fields(conditions.where("trajectory"), network, conditions, data)
    curves = trained_networks(network.models(), data.named, data.data_root, trained.checkpoint or (), ends.solver or ())
    case = partial(Case, "trajectory", infer_batch=batch.infer_batch, **fields)
    by_name = {curve.model.name: curve for curve in curves}

    def one_curve(named: Model) -> list[Case]:
        curve = by_name[named.name]
        strip = output / ("trajectory-strip.png" if len(curves) == 1 else f"trajectory-strip-{curve.file_name}.png")
        one = trained.case(case, curve, data.named, _options(curve, ends, strip, trained.images))
        return [one.with_arguments(solver=curve.solver, gradient="backprop") if curve.solver else one]

    models = [curve.model for curve in curves]
    done = session.measure(session.plan(models, one_curve), once_and_in_rounds(ends.rule()))
    print_advice_on_curves(done)
    _draw(done, f"{published_dataset(data.named)} {data.split}", output)
    session.finish(done, models, trajectory_tables)


def _options(curve: TrainedNetwork, ends: EndFlags, strip: Path, images: int | None) -> TrajectoryOptions:
    """Of the sweep of one trained network with one solver."""
    return TrajectoryOptions(
        checkpoint=str(curve.checkpoint),
        weights=digest_of(curve.checkpoint),
        times=parse_times(ends.times),
        steps=parse_steps(ends.steps),
        stop=texts(ends.stop),
        images=images,
        pictures=ends.pictures,
        strip=str(strip) if ends.pictures else None,
        **ends.rule().options(),
    )


def _draw(done: Sequence[Done], title: str, folder: Path) -> None:
    """The figures of all curves that have points."""
    from segbench.present.trajectory_figures import draw_curves, draw_error, trajectory_curves  # matplotlib is slow

    curves = trajectory_curves([item.entry for item in done])
    if not curves:
        return
    console = Console(stderr=True)
    for draw, name in ((draw_curves, "trajectory.png"), (draw_error, "trajectory-error.png")):
        draw(curves, title, folder / name)
        console.print(f"wrote {folder / name}", highlight=False)
    for item in done:
        strip = item.entry.case.options_as(TrajectoryOptions).strip
        if strip and item.fresh and item.entry.outcome == "ok":
            console.print(f"wrote {strip}", highlight=False)


_MOST_TIMES = 1000
"""A curve of more points says no more, and each is an inference of the whole data set."""


def parse_times(text: str | None) -> tuple[float, ...] | None:
    """`0:1:0.25` or `0,0.25,1` as numbers; None for the solver's own grid.

    Raises:
        UserError: neither, negative, too many, or a step that leads nowhere.
    """
    if text is None:
        return None
    try:
        numbers = [float(part) for part in text.split(":" if ":" in text else ",")]
    except ValueError:
        numbers = []
    if not all(0 <= number < float("inf") for number in numbers):
        numbers = []
    if ":" in text and len(numbers) == 3 and numbers[2] > 0 and numbers[1] >= numbers[0]:
        first, last, step = numbers
        count = (last - first) / step + 1
        if count > _MOST_TIMES:
            raise UserError(f"--times {text!r} are {count:.0f} end times; give at most {_MOST_TIMES}")
        numbers = [round(first + step * number, 9) for number in range(int(count + 1e-9))]
    elif ":" in text:
        numbers = []
    if not numbers or len(numbers) > _MOST_TIMES:
        raise UserError(f"--times {text!r} are no end times; write FIRST:LAST:STEP, as in 0:1:0.125, or 0,0.5,1")
    return tuple(sorted(set(numbers)))


def parse_steps(text: str | None) -> tuple[int, ...] | None:
    """`1,2,8` as numbers; nothing for `none`, None for the usual ones.

    Raises:
        UserError: not whole numbers from 1 to 1000.
    """
    if text is None or text == "none":
        return None if text is None else ()
    parts = [part.strip() for part in text.split(",")]
    if not all(re.fullmatch("[0-9]{1,4}", part) and 0 < int(part) <= 1000 for part in parts):
        raise UserError(
            f"--steps {text!r} are no numbers of steps; write whole numbers from 1 to 1000, as in 1,2,8, or none"
        )
    return tuple(sorted({int(part) for part in parts}))
