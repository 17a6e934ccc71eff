"""`segbench train`: trains networks on a data set, alone or under torchrun."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType

import typer

from segbench.cards.catalogue import Model, find_models
from segbench.cards.crops import crop_of
from segbench.cards.datasets import dataset_card
from segbench.cells.cell import run_in_child
from segbench.cells.series import Planned, plan
from segbench.cli import options
from segbench.cli import train_options as own
from segbench.cli.cases import default_classes, found_root, parse_arguments
from segbench.cli.session import EXIT_CELL_FAILED, Output, finish, measure
from segbench.devices.choice import Device, choose_device
from segbench.errors import UserError
from segbench.present.export import Exports
from segbench.present.training import TrainingProgress, training_sheet
from segbench.records.case import Case, Json
from segbench.records.host import package_version
from segbench.records.ledger import DEFAULT_LEDGER
from segbench.units import parse_size

_KINDS = ("segment", "classify")

_NO_TIMEOUT_S = 365 * 86400.0
"""A training has a budget of its own."""


def train(
    model: options.Models,
    dataset: options.Labelled = None,
    data_root: options.DataRoot = None,
    split: options.Split = None,
    epochs: own.Epochs = None,
    steps: own.Steps = None,
    minutes: own.Minutes = None,
    batch_size: own.BatchSize = None,
    optimizer: own.Optimizer = None,
    lr: own.Lr = None,
    momentum: own.Momentum = None,
    weight_decay: own.WeightDecay = None,
    schedule: own.Schedule = None,
    power: own.Power = None,
    warmup: own.WarmupSteps = None,
    clip: own.Clip = None,
    ema: own.Ema = None,
    supervision: own.Supervision = None,
    class_weights: own.ClassWeights = None,
    ohem: own.Ohem = False,
    loss_stride: own.LossStride = None,
    accumulate: own.Accumulate = 1,
    input: own.InputSize = None,
    scale_jitter: own.ScaleJitter = None,
    augment: own.Augment = True,
    val_split: own.ValSplit = "val",
    workers: own.Workers = 0,
    cache: own.Cache = "auto",
    skip_broken: own.SkipBroken = False,
    kind: own.Kind = "segment",
    init: own.Init = None,
    output: own.Folder = None,
    resume: own.Resume = False,
    overwrite: own.Overwrite = False,
    validations: own.Validations = 10,
    save_every: own.SaveEvery = 60.0,
    sync_batch_norm: own.SyncBatchNorm = False,
    channels_last: own.ChannelsLast = None,
    device: options.DeviceName = "auto",
    precision: options.Precision = "fp32",
    argument: options.Arguments = None,
    seed: options.Seed = 0,
    threads: options.Threads = None,
    tf32: options.Tf32 = False,
    cudnn_benchmark: options.CudnnBenchmark = False,
    ledger: options.LedgerFolder = DEFAULT_LEDGER,
    format: options.Format = "table",
    export_csv: options.ExportCsv = None,
    export_json: options.ExportJson = None,
    export_markdown: options.ExportMarkdown = None,
    fail_if: options.FailIf = None,
) -> None:
    """Trains with the card's recipe and leaves checkpoints, a log and a curve in runs/MODEL-DATASET.

    A kill at any moment costs at most the time since the last checkpoint: the same command with --resume goes on, on
    the CPU to the same bits. Several processes: torchrun --nproc-per-node N -m segbench train ...
    """
    results = Output(format, Exports(export_csv, export_json, export_markdown), tuple(fail_if or ()))
    models = find_models(model)
    _check(kind, resume, overwrite, output, models)
    _check_budget({"--epochs": epochs, "--steps": steps, "--minutes": minutes}, models)
    where = choose_device(device, "train")
    segments = kind == "segment"
    if not segments:
        _refuse_for_images(
            {
                "--scale-jitter": scale_jitter,
                "--skip-broken": skip_broken,
                "--loss-stride": loss_stride,
                "--class-weights": class_weights,
                "--ohem": ohem,
                "--supervision": supervision,
                "--cache": cache != "auto",
                "-d": dataset,
            }
        )
    dataset = (dataset or "synthetic") if segments else None
    case = Case(
        task="train",
        model="",
        arguments=parse_arguments(argument),
        device=where.name,
        modes=("train",),
        classes=default_classes(dataset),
        precision=precision,
        optimizer=optimizer,
        dataset=dataset,
        data_root=found_root(dataset, data_root) if segments else _folder_of_images(data_root),
        split=split,
        seed=seed,
        threads=threads,
        channels_last=_pays(where, precision, tf32) if channels_last is None else channels_last,
        tf32=tf32,
        cudnn_benchmark=cudnn_benchmark,
    ).with_options(
        **_said(
            task=kind,
            epochs=epochs,
            steps=steps,
            minutes=minutes,
            lr=lr,
            momentum=momentum,
            weight_decay=weight_decay,
            schedule=schedule,
            power=power,
            warmup_steps=warmup,
            clip=clip,
            ema=ema,
            supervision=supervision,
            class_weights=class_weights,
            ohem=ohem,
            accumulate=accumulate,
            scale_jitter=scale_jitter,
            augment=augment,
            val_split=None if val_split == "none" else val_split,
            workers=workers,
            cache=cache,
            skip_broken=skip_broken,
            init=str(init.expanduser().resolve()) if init else None,
            resume=resume,
            overwrite=overwrite,
            validations=validations,
            save_every_s=save_every,
            sync_batch_norm=sync_batch_norm,
        )
    )

    def one_run(network: Model) -> list[Case]:
        width, height = parse_size(input) if input else _crop(network, dataset)
        batch = batch_size or network.card.recipe.batch_size
        folder = output or Path("runs") / f"{network.name}-{dataset_card(dataset).name if dataset else 'images'}"
        halved = segments and not where.is_cuda and width % 2 == height % 2 == 0
        stride = loss_stride or (2 if halved else 1)
        sized = replace(case, model=network.spec, width=width, height=height, batch_size=batch)
        return [sized.with_options(folder=str(folder), label_stride=stride if segments else 1)]

    cells = plan(models, one_run, where.title, package_version("torch") or "")
    _stop_children_when_told()
    if int(os.environ.get("RANK", "0")):
        _follow(cells)
        return
    goes_on = "with --resume a training goes on from its last checkpoint, if it has left one"
    done = measure(cells, ledger, _NO_TIMEOUT_S, display=TrainingProgress, goes_on=goes_on)
    cards = {item.name: item.card for item in models}
    finish(done, [training_sheet([item.entry for item in done])], cards, results)


def _pays(where: Device, precision: str, tf32: bool) -> bool:
    """Whether channels_last makes a training quicker: on the CPU, and on CUDA where tensor cores compute.

    In plain float32 cuDNN's quick kernels are those of the usual layout (torch's tutorial on channels_last).
    """
    return not where.is_cuda or precision != "fp32" or tf32


def _said(**flags: Json) -> dict[str, Json]:
    """The flags that have a value."""
    return {name: value for name, value in flags.items() if value is not None}


def _check(kind: str, resume: bool, overwrite: bool, output: Path | None, models: Sequence[Model]) -> None:
    """Refuses flags that contradict each other.

    Raises:
        UserError: the sentence says what to choose.
    """
    if kind not in _KINDS:
        raise UserError(f"no task {kind!r}; choose {' or '.join(_KINDS)}")
    if resume and overwrite:
        raise UserError("--resume goes on with a run and --overwrite replaces it; choose one")
    if output and len(models) > 1:
        raise UserError(f"{len(models)} networks cannot share the folder {output}; leave -o out or train one at a time")


def _refuse_for_images(flags: Mapping[str, object]) -> None:
    """Refuses what pretraining on folders of images does not know.

    Raises:
        UserError: names the flags.
    """
    given = [flag for flag, value in flags.items() if value]
    if given:
        raise UserError(f"--task classify knows no {' or '.join(given)}; leave it out")


def _check_budget(given: Mapping[str, float | None], models: Sequence[Model]) -> None:
    """Refuses several budgets, and none where a card has none either.

    Raises:
        UserError: names what was found.
    """
    found = [flag for flag, value in given.items() if value is not None]
    needy = [network.name for network in models if network.card.recipe.epochs is None]
    if len(found) > 1:
        raise UserError(f"{' and '.join(found)} are two budgets; give one of them")
    if not found and needy:
        raise UserError(f"the card of {', '.join(needy)} has no epochs of its own; give --epochs, --steps or --minutes")


def _crop(network: Model, dataset: str | None) -> tuple[int, int]:
    """The data set's training crop; where it has none of its own, the size the card says the network is run at."""
    size = crop_of(dataset) if dataset else (224, 224)
    return size or (network.card.input.width, network.card.input.height)


def _folder_of_images(data_root: Path | None) -> str:
    if data_root is None:
        raise UserError("--task classify needs --data-root DIR, a folder with train/CLASS/*.jpg and val/CLASS/*.jpg")
    return str(data_root.expanduser().resolve())


def _follow(cells: list[Planned]) -> None:
    """A process of `torchrun` that is not the first: it trains along and leaves records and tables to that one."""
    for cell in cells:
        for result in run_in_child(cell.case.task, [cell.case], _NO_TIMEOUT_S, lambda *_: None):
            if result.outcome != "ok":
                sys.stderr.write(f"segbench: process {os.environ['RANK']}: {result.outcome}: {result.cause}\n")
                raise typer.Exit(EXIT_CELL_FAILED)


def _stop_children_when_told() -> None:
    """SIGTERM, with which `torchrun` and Slurm end a job, ends the training process too."""

    def stop(number: int, _: FrameType | None) -> None:
        sys.exit(128 + number)

    signal.signal(signal.SIGTERM, stop)
