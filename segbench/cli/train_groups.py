"""The groups of flags that only `segbench train` has."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, ClassVar

from typer import Option

from segbench.cli.flags import Group
from segbench.cli.groups import MOST_WORKERS


class Said(Group):
    """A group whose flags become options of the task where they are said."""

    def said(self) -> dict[str, Any]:
        """The fields that have a value."""
        return {item.name: value for item in fields(self) if (value := getattr(self, item.name)) is not None}


@dataclass(frozen=True, kw_only=True)
class BudgetFlags(Said):
    """How long is trained."""

    panel: ClassVar[str] = "Budget, one of"

    epochs: Annotated[int | None, Option("--epochs", help="Passes over the training set.", min=1)] = None
    steps: Annotated[int | None, Option("--steps", help="Optimizer steps.", min=1)] = None
    minutes: Annotated[
        float | None,
        Option(
            "--minutes",
            help="Minutes of training steps: the process's CPU time on a CPU, wall time on CUDA; validation is free.",
            min=0,
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class RecipeFlags(Said):
    """The recipe where it is not the model card's; `optimizer` and `batch_size` are fields of the case."""

    panel: ClassVar[str] = "Recipe, instead of the model card's"

    lr: Annotated[float | None, Option("--lr", help="Base learning rate.", min=0)] = None
    momentum: Annotated[float | None, Option("--momentum", help="Of SGD and Muon.", min=0, max=1)] = None
    weight_decay: Annotated[float | None, Option("--weight-decay", help="Of matrices.", min=0)] = None
    schedule: Annotated[str | None, Option("--schedule", help="poly or constant.")] = None
    power: Annotated[float | None, Option("--power", help="Of the poly schedule.", min=0)] = None
    warmup_steps: Annotated[int | None, Option("--warmup", help="Steps in which the rate rises.", min=0)] = None
    clip: Annotated[float | None, Option("--clip", help="Largest norm of the gradient; 0: none.", min=0)] = None
    ema: Annotated[float | None, Option("--ema", help="Decay of the mean of the weights; 0: none.", min=0, max=1)] = (
        None
    )
    supervision: Annotated[
        str | None,
        Option("--supervision", help="States of an ODE network: end, all, end+half, end+random or end-then-all."),
    ] = None
    class_weights: Annotated[
        str | None, Option("--class-weights", help="none, median-frequency or sqrt-median-frequency.")
    ] = None
    ohem: Annotated[bool, Option("--ohem", help="Only the hardest pixels count.")] = False
    accumulate: Annotated[
        int, Option("--accumulate", help="Split a batch into so many parts, one after the other.", min=1)
    ] = 1


@dataclass(frozen=True, kw_only=True)
class AugmentationFlags(Said):
    """What the training sees."""

    panel: ClassVar[str] = "Images"

    scale_jitter: Annotated[
        str | None,
        Option(
            "--scale-jitter",
            help="Range of magnification, as in 0.5:2; at 1 the frame just fills the crop. \\[default: the data set's]",
        ),
    ] = None
    augment: Annotated[
        bool, Option("--augment/--no-augment", help="Scale jitter, random crop, flip and colour jitter.")
    ] = True
    val_split: Annotated[str, Option("--val-split", help="Validate on this split; none: never.")] = "val"
    workers: Annotated[
        int,
        Option(
            "--workers", help="Processes that load and augment images; 0: the training one.", min=0, max=MOST_WORKERS
        ),
    ] = 0
    cache: Annotated[
        str, Option("--cache", help="Keep decoded pixels in a file: off, on, or auto for sets under 1 GiB.")
    ] = "auto"
    skip_broken: Annotated[bool, Option("--skip-broken", help="Leave unusable files out.")] = False


@dataclass(frozen=True, kw_only=True)
class TrainingFlags(Said):
    """The run in its folder."""

    panel: ClassVar[str] = "Training run"

    task: Annotated[str, Option("--task", help="segment, or classify for pretraining.")] = "segment"
    init: Annotated[Path | None, Option("--init", help="Start from the weights that match.")] = None
    resume: Annotated[bool, Option("--resume", help="Go on with the run in the folder.")] = False
    overwrite: Annotated[bool, Option("--overwrite", help="Replace the run in the folder.")] = False
    validations: Annotated[int, Option("--validations", help="How often, over the whole run.", min=1)] = 10
    save_every_s: Annotated[float, Option("--save-every", help="Seconds between checkpoints.", min=0)] = 60.0
    sync_batch_norm: Annotated[
        bool, Option("--sync-batch-norm", help="Share batch statistics between CUDA devices.")
    ] = False

    @property
    def segments(self) -> bool:
        return self.task == "segment"
