"""`segbench adaptive`: whether a network gains by deciding for each image, region or pixel how much to compute."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, ClassVar

from rich.console import Console
from typer import Option

from segbench.cards.model import Model
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
from segbench.cli.trained import TrainedFlags
from segbench.errors import UserError
from segbench.present.adaptive import adaptive_tables
from segbench.present.adaptive_points import ways_of, whole_of
from segbench.records.case import Case
from segbench.records.options import AdaptiveOptions

SHIPPED_IMAGES = 16
"""Of the synthetic streets, where nothing else is said: as few as give a verdict, and half a minute of one core."""

_Models = Annotated[
    list[str] | None,
    Option(
        "-m",
        "--model",
        help=f"An adaptive network, or a static one to set beside; repeatable. \\[default: {SHIPPED}]",
    ),
]


@dataclass(frozen=True, kw_only=True)
class JudgeFlags(Group):
    """Under which policies."""

    panel: ClassVar[str] = "Judgement"

    policy: Annotated[
        list[str] | None,
        Option(
            "--policy",
            help='"confidence>0.95", share, entropy, change, state, signal; a word alone is judged at thresholds spread'
            " over its numbers; repeatable. \\[default: the network's own]",
        ),
    ] = None
    time: Annotated[bool, Option("--time/--no-time", help="Take times, for which nothing else may run.")] = True
    pictures: Annotated[int, Option("--pictures", help="Images on which the depth is painted.", min=0)] = 3
    output: Annotated[Path, Option("-o", "--output", help="Folder of adaptive.png and its companions.")] = Path()


@flags(without=("optimizer", "batch_size"), timeout=86400.0, split="val", infer_batch=8, threads=1)
def adaptive(
    judged: JudgeFlags,
    trained: TrainedFlags,
    data: LabelledFlags,
    batch: BatchFlags,
    conditions: ConditionFlags,
    run: RunFlags,
    results: OutputFlags,
    model: _Models = None,
) -> None:
    """What a network gains by deciding how much to compute, beside fixed exits, permuted decisions and an oracle.

    Writes adaptive.png (mIoU against operations and time) and adaptive-depth.png (where computation was spent on some
    images). The verdict on each network: it saves time, only operations, or nothing beyond a fixed exit. Without a
    model: the network that comes with segbench, on synthetic streets, in less than a minute.

    Operations are counted for each image alone; times are taken image by image and in batches of --infer-batch, all
    policies in turns.
    """
    session = Session(run, results)
    network = NetworkFlags(model=model or [SHIPPED], argument=trained.argument)
    fields = case_fields(conditions.where("adaptive"), network, conditions, data)
    networks = trained_networks(network.models(), data.named, data.data_root, trained.checkpoint or ())
    case = partial(Case, "adaptive", infer_batch=batch.infer_batch, **fields)
    by_name = {item.model.name: item for item in networks}
    if model is None and data.dataset is None and trained.images is None:
        trained = replace(trained, images=SHIPPED_IMAGES)

    def cases(named: Model) -> list[Case]:
        own = by_name[named.name]
        options = _options(own, judged, trained.images, alone=len(networks) == 1)
        return [trained.case(case, own, data.named, options)]

    models = [item.model for item in networks]
    done = session.measure(session.plan(models, cases))
    _require_adaptive(done)
    _draw(done, judged.output)
    session.finish(done, models, adaptive_tables)


def _options(trained: TrainedNetwork, judged: JudgeFlags, images: int | None, *, alone: bool) -> AdaptiveOptions:
    depth = judged.output / ("adaptive-depth.png" if alone else f"adaptive-depth-{trained.file_name}.png")
    return AdaptiveOptions(
        checkpoint=str(trained.checkpoint),
        weights=digest_of(trained.checkpoint),
        policies=texts(judged.policy),
        images=images,
        pictures=judged.pictures,
        depth=str(depth) if judged.pictures else None,
        timed=judged.time,
        alone=alone,
    )


def _require_adaptive(done: Sequence[Done]) -> None:
    """Which networks decide is known once they are built.

    Raises:
        UserError: none does.
    """
    wholes = [whole_of(ways_of(item.entry)) for item in done]
    if wholes and all(whole is not None and whole.is_static for whole in wholes):
        names = ", ".join(dict.fromkeys(item.entry.model for item in done))
        raise UserError(
            f"none of {names} has exits, so there is nothing to judge; name an adaptive network beside them with -m"
        )


def _draw(done: Sequence[Done], folder: Path) -> None:
    from segbench.present.figures import save_figure  # matplotlib is slow
    from segbench.present.figures_adaptive import adaptive_figure

    console = Console(stderr=True)
    figure = adaptive_figure([item.entry for item in done])
    for path in save_figure(figure, folder) if figure else ():
        console.print(f"wrote {path}", highlight=False)
    for item in done:
        depth = item.entry.case.options_as(AdaptiveOptions).depth
        if depth and item.fresh and Path(depth).is_file():
            console.print(f"wrote {depth}", highlight=False)
