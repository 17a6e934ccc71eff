"""The flags of `segbench train` that no other command has."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_BUDGET, _RECIPE, _IMAGES, _RUN = "Budget, one of", "Recipe, instead of the card's", "Images", "Run"

Epochs = Annotated[int | None, typer.Option("--epochs", help="Passes over the training set.", rich_help_panel=_BUDGET)]
Steps = Annotated[int | None, typer.Option("--steps", help="Optimizer steps.", rich_help_panel=_BUDGET)]
Minutes = Annotated[
    float | None,
    typer.Option(
        "--minutes",
        help="Minutes of training steps: the process's CPU time on a CPU, wall time on CUDA; validation is free.",
        rich_help_panel=_BUDGET,
    ),
]

BatchSize = Annotated[
    int | None,
    typer.Option("-b", "--batch-size", help="Images a step, all processes together.", min=1, rich_help_panel=_RECIPE),
]
Optimizer = Annotated[str | None, typer.Option("--optimizer", help="sgd, adamw or muon.", rich_help_panel=_RECIPE)]
Lr = Annotated[float | None, typer.Option("--lr", help="Base learning rate.", rich_help_panel=_RECIPE)]
Momentum = Annotated[float | None, typer.Option("--momentum", help="Of SGD and Muon.", rich_help_panel=_RECIPE)]
WeightDecay = Annotated[float | None, typer.Option("--weight-decay", help="Of matrices.", rich_help_panel=_RECIPE)]
Schedule = Annotated[str | None, typer.Option("--schedule", help="poly or constant.", rich_help_panel=_RECIPE)]
Power = Annotated[float | None, typer.Option("--power", help="Of the poly schedule.", rich_help_panel=_RECIPE)]
WarmupSteps = Annotated[
    int | None, typer.Option("--warmup", help="Steps in which the rate rises.", rich_help_panel=_RECIPE)
]
Clip = Annotated[
    float | None, typer.Option("--clip", help="Largest norm of the gradient; 0: none.", rich_help_panel=_RECIPE)
]
Ema = Annotated[
    float | None, typer.Option("--ema", help="Decay of the mean of the weights; 0: none.", rich_help_panel=_RECIPE)
]
Supervision = Annotated[
    str | None,
    typer.Option(
        "--supervision",
        help="States of an ODE network: end, all, end+half, end+random or end-then-all.",
        rich_help_panel=_RECIPE,
    ),
]
ClassWeights = Annotated[
    str | None,
    typer.Option("--class-weights", help="none, median-frequency or sqrt-median-frequency.", rich_help_panel=_RECIPE),
]
Ohem = Annotated[bool, typer.Option("--ohem", help="Only the hardest pixels count.", rich_help_panel=_RECIPE)]
LossStride = Annotated[
    int | None,
    typer.Option(
        "--loss-stride",
        help="Take the loss at 1/stride of the input. \\[default: 2 on the CPU, 1 on CUDA]",
        min=1,
        rich_help_panel=_RECIPE,
    ),
]
Accumulate = Annotated[
    int, typer.Option("--accumulate", help="Work a batch off in so many parts.", min=1, rich_help_panel=_RECIPE)
]

InputSize = Annotated[
    str | None,
    typer.Option(
        "--input",
        help="Training crop, width x height. \\[default: the data set's or the card's]",
        rich_help_panel=_IMAGES,
    ),
]
ScaleJitter = Annotated[
    str | None,
    typer.Option(
        "--scale-jitter",
        help="Range of magnification, as in 0.5:2; at 1 the frame just fills the crop. \\[default: the data set's]",
        rich_help_panel=_IMAGES,
    ),
]
Augment = Annotated[
    bool, typer.Option("--augment/--no-augment", help="ScaleJitter, mirror and colour.", rich_help_panel=_IMAGES)
]
ValSplit = Annotated[
    str, typer.Option("--val-split", help="Validate on this split; none: never.", rich_help_panel=_IMAGES)
]
Workers = Annotated[
    int,
    typer.Option(
        "--workers", help="Processes that load and augment images; 0: the training one.", min=0, rich_help_panel=_IMAGES
    ),
]
Cache = Annotated[
    str,
    typer.Option(
        "--cache", help="Keep decoded pixels in a file: off, on, or auto for sets under 1 GiB.", rich_help_panel=_IMAGES
    ),
]
SkipBroken = Annotated[bool, typer.Option("--skip-broken", help="Leave unusable files out.", rich_help_panel=_IMAGES)]

Kind = Annotated[str, typer.Option("--task", help="segment, or classify for pretraining.", rich_help_panel=_RUN)]
Init = Annotated[Path | None, typer.Option("--init", help="Start from the weights that match.", rich_help_panel=_RUN)]
Folder = Annotated[
    Path | None, typer.Option("-o", "--output", help="Folder. \\[default: runs/MODEL-DATASET]", rich_help_panel=_RUN)
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with the run in the folder.", rich_help_panel=_RUN)]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the run in the folder.", rich_help_panel=_RUN)]
Validations = Annotated[
    int, typer.Option("--validations", help="How often, over the whole run.", min=1, rich_help_panel=_RUN)
]
SaveEvery = Annotated[
    float, typer.Option("--save-every", help="Seconds between checkpoints.", min=0, rich_help_panel=_RUN)
]
SyncBatchNorm = Annotated[
    bool, typer.Option("--sync-batch-norm", help="Share batch statistics between CUDA devices.", rich_help_panel=_RUN)
]
ChannelsLast = Annotated[
    bool | None,
    typer.Option(
        "--channels-last/--no-channels-last",
        help="NHWC. \\[default: on the CPU, and on CUDA with bf16, fp16 or --tf32]",
        rich_help_panel=_RUN,
    ),
]
