"""`segbench train`: trains networks on a data set, alone or under torchrun."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from typer import Option

from segbench.cards.crops import crop_of
from segbench.cards.datasets import dataset_card
from segbench.cards.model import Model
from segbench.cells.jobs import Single
from segbench.cells.series import Planned
from segbench.cli.flags import flags
from segbench.cli.groups import (
    ConditionFlags,
    LabelledFlags,
    MachineFlags,
    NetworkFlags,
    OutputFlags,
    RunFlags,
    case_fields,
)
from segbench.cli.session import Session
from segbench.cli.show import EXIT_CELL_FAILED
from segbench.cli.train_groups import AugmentationFlags, BudgetFlags, RecipeFlags, TrainingFlags
from segbench.devices.choice import Device
from segbench.errors import UserError
from segbench.present.training import TrainingProgress, training_tables
from segbench.records.case import Case
from segbench.records.options import TrainOptions
from segbench.units import parse_size

_KINDS = ("segment", "classify")

_NO_TIMEOUT_S = 365 * 86400.0
"""A training has a budget of its own."""

_RECIPE = "Recipe, instead of the model card's"

_BatchSize = Annotated[
    int | None,
    Option("-b", "--batch-size", help="Images a step, all processes together.", min=1, rich_help_panel=_RECIPE),
]
_LossStride = Annotated[
    int | None,
    Option(
        "--loss-stride",
        help="Take the loss at 1/stride of the input. \\[default: 2 on the CPU, 1 on CUDA]",
        min=1,
        rich_help_panel=_RECIPE,
    ),
]
_InputSize = Annotated[
    str | None,
    Option(
        "--input",
        help="Training crop, width x height. \\[default: the data set's or the model card's]",
        rich_help_panel="Images",
    ),
]
_Folder = Annotated[
    Path | None,
    Option("-o", "--output", help="Folder. \\[default: runs/MODEL-DATASET]", rich_help_panel="Training run"),
]
_ChannelsLast = Annotated[
    bool | None,
    Option(
        "--channels-last/--no-channels-last",
        help="NHWC. \\[default: on the CPU; on CUDA with bf16, fp16 or --tf32]",
        rich_help_panel="Conditions",
    ),
]


@flags(without=("classes", "channels_last", "timeout", "reuse"))
def train(
    network: NetworkFlags,
    data: LabelledFlags,
    budget: BudgetFlags,
    recipe: RecipeFlags,
    augmentation: AugmentationFlags,
    training: TrainingFlags,
    conditions: ConditionFlags,
    run: RunFlags,
    machines: MachineFlags,
    results: OutputFlags,
    batch_size: _BatchSize = None,
    loss_stride: _LossStride = None,
    input: _InputSize = None,
    channels_last: _ChannelsLast = None,
    output: _Folder = None,
) -> None:
    """Trains with the model card's recipe and leaves checkpoints, a log and a curve in runs/MODEL-DATASET.

    A kill at any moment costs at most the time since the last checkpoint: the same command with --resume goes on, on
    the CPU to the same bits. Several processes: torchrun --nproc-per-node N -m segbench train ...
    """
    session = Session(RunFlags(timeout=_NO_TIMEOUT_S, ledger=run.ledger), results, machines)
    models, where = network.models(), conditions.where("train", seen=session.seen)
    _check(training, output, models)
    _check_budget(budget, models)
    if not training.segments:
        stride = {"-d": data.dataset, "--loss-stride": loss_stride}
        _refuse_for_images({**stride, **_segmentation_only(recipe, augmentation)})
    layout = _layout_pays(where, conditions) if channels_last is None else channels_last
    images = data if training.segments else _ImageFolder(data_root=data.data_root, split=data.split)
    fields = {**case_fields(where, network, conditions, images), "channels_last": layout}
    question = _Question(where, data, budget, recipe, augmentation, training, loss_stride, output)

    def one_run(model: Model) -> list[Case]:
        width, height = parse_size(input) if input else _crop(model, data.named if training.segments else None)
        sizes = {"width": width, "height": height, "batch_size": batch_size or model.card.recipe.batch_size}
        case = partial(Case, "train", model.spec.text, options=question.options(model, width, height))
        return [case(**{**fields, **sizes})]

    cells = session.plan(models, one_run)
    _stop_children_when_told()
    if int(os.environ.get("RANK", "0")):
        _follow(session, cells)
        return
    goes_on = "with --resume a training goes on from its last checkpoint, if it has left one"
    done = session.measure(cells, display=TrainingProgress, goes_on=goes_on)
    session.finish(done, models, training_tables)


def _layout_pays(where: Device, conditions: ConditionFlags) -> bool:
    """Whether channels_last makes a training quicker: on the CPU, and on CUDA where tensor cores compute.

    In plain float32 cuDNN's quick kernels are those of the usual layout (torch's tutorial on channels_last).
    """
    return not where.is_cuda or conditions.precision != "fp32" or conditions.tf32


@dataclass(frozen=True, kw_only=True)
class _ImageFolder(LabelledFlags):
    """Folders of images with a class each, for pretraining."""

    def case_fields(self) -> dict[str, object]:
        if self.data_root is None:
            raise UserError(
                "--task classify needs --data-root DIR, a folder with train/CLASS/*.jpg and val/CLASS/*.jpg"
            )
        return {"dataset": None, "data_root": str(self.data_root.expanduser().resolve()), "split": self.split}


@dataclass(frozen=True)
class _Question:
    """What is asked of every network."""

    where: Device
    data: LabelledFlags
    budget: BudgetFlags
    recipe: RecipeFlags
    augmentation: AugmentationFlags
    training: TrainingFlags
    loss_stride: int | None
    output: Path | None

    def options(self, model: Model, width: int, height: int) -> TrainOptions:
        """Raises:
        UserError: a value that the task does not take.
        """
        segments = self.training.segments
        name = dataset_card(self.data.named).name if segments else "images"
        folder = self.output or Path("runs") / f"{model.name}-{name}"
        halved = not self.where.is_cuda and width % 2 == height % 2 == 0
        stride = self.loss_stride or (2 if halved else 1)
        init, val_split = self.training.init, self.augmentation.val_split
        return TrainOptions.parse(
            {
                **self.budget.said(),
                **self.recipe.said(),
                **self.augmentation.said(),
                **self.training.said(),
                "val_split": None if val_split == "none" else val_split,
                "init": str(init.expanduser().resolve()) if init else None,
                "folder": str(folder),
                "label_stride": stride if segments else 1,
            }
        )


def _check(training: TrainingFlags, output: Path | None, models: Sequence[Model]) -> None:
    """Refuses flags that contradict each other.

    Raises:
        UserError: the sentence says what to choose.
    """
    if training.task not in _KINDS:
        raise UserError(f"no task {training.task!r}; choose {' or '.join(_KINDS)}")
    if training.resume and training.overwrite:
        raise UserError("--resume goes on with a run and --overwrite replaces it; choose one")
    if output and len(models) > 1:
        raise UserError(f"{len(models)} networks cannot share the folder {output}; leave -o out or train one at a time")


def _segmentation_only(recipe: RecipeFlags, augmentation: AugmentationFlags) -> Mapping[str, object]:
    """Flags that pretraining on folders of images does not know."""
    return {
        "--scale-jitter": augmentation.scale_jitter,
        "--skip-broken": augmentation.skip_broken,
        "--class-weights": recipe.class_weights,
        "--ohem": recipe.ohem,
        "--supervision": recipe.supervision,
        "--cache": augmentation.cache != "auto",
    }


def _refuse_for_images(given: Mapping[str, object]) -> None:
    """Raises:
    UserError: names the flags.
    """
    found = [flag for flag, value in given.items() if value]
    if found:
        raise UserError(f"--task classify knows no {' or '.join(found)}; leave it out")


def _check_budget(budget: BudgetFlags, models: Sequence[Model]) -> None:
    """Refuses several budgets, and none where a card has none either.

    Raises:
        UserError: names what was found.
    """
    found = [f"--{name}" for name in budget.said()]
    needy = [model.name for model in models if model.card.recipe.epochs is None]
    if len(found) > 1:
        raise UserError(f"{' and '.join(found)} are two budgets; give one of them")
    if not found and needy:
        raise UserError(f"the card of {', '.join(needy)} has no epochs of its own; give --epochs, --steps or --minutes")


def _crop(model: Model, dataset: str | None) -> tuple[int, int]:
    """The data set's training crop; where it has none of its own, the size the card says the network is run at."""
    size = crop_of(dataset) if dataset else (224, 224)
    return size or (model.card.input.width, model.card.input.height)


def _follow(session: Session, cells: Sequence[Planned]) -> None:
    """A process of `torchrun` that is not the first: it trains along and leaves records and tables to that one."""
    for cell in cells:
        (result,) = session.executor.submit(Single(cell.case), _NO_TIMEOUT_S, lambda *_: None).result()
        if result.outcome != "ok":
            sys.stderr.write(f"segbench: process {os.environ['RANK']}: {result.outcome}: {result.cause}\n")
            raise typer.Exit(EXIT_CELL_FAILED)


def _stop_children_when_told() -> None:
    """SIGTERM, with which `torchrun` and Slurm end a job, ends the training process too."""

    def stop(number: int, _: FrameType | None) -> None:
        sys.exit(128 + number)

    signal.signal(signal.SIGTERM, stop)
