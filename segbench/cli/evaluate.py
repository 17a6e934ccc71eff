"""`segbench evaluate`: the accuracy of trained networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from segbench.cards.catalogue import Model, find_models
from segbench.cells.series import plan
from segbench.cli import options
from segbench.cli.cases import default_classes, found_root, parse_arguments
from segbench.cli.checkpoints import digest_of, facts_of, found_checkpoint, trained_arguments, usual_run, usual_size
from segbench.cli.session import Output, finish, measure
from segbench.devices.choice import choose_device
from segbench.errors import UserError
from segbench.present.evaluation import evaluation_sheets
from segbench.present.export import Exports
from segbench.records.case import Case, Json
from segbench.records.dataset_spec import published_dataset
from segbench.records.host import package_version
from segbench.records.ledger import DEFAULT_LEDGER
from segbench.units import parse_size

Checkpoint = Annotated[
    Path | None,
    typer.Option(
        "--checkpoint",
        help="A run's folder or one of its files. \\[default: the card's own, or the best of runs/MODEL-DATASET]",
    ),
]
InputSize = Annotated[
    str | None, typer.Option("--input", help="Size images are shown at. \\[default: what it was trained at]")
]
ProtocolName = Annotated[
    str,
    typer.Option(
        "--protocol",
        help="single, flip, multi-scale, cityscapes-ms, lip, pascal-context or pascal-context-ms (HRNet's).",
    ),
]
Scales = Annotated[str | None, typer.Option("--scales", help="Fuse these scales, as in 0.5,1,1.5.")]
Flip = Annotated[bool | None, typer.Option("--flip/--no-flip", help="Average with the mirrored image.")]
Window = Annotated[str | None, typer.Option("--window", help="Slide a window of this size, as in 512x512.")]
Predictions = Annotated[bool, typer.Option("--predictions", help="Save each answer as a PNG in the set's colours.")]
Overlays = Annotated[int, typer.Option("--overlays", help="Save so many side-by-side pictures.", min=0)]
Boundary = Annotated[bool, typer.Option("--boundary/--no-boundary", help="F-score of class boundaries.")]
Folder = Annotated[
    Path | None,
    typer.Option("-o", "--output", help="Folder. \\[default: evaluation-SPLIT-PROTOCOL... beside the checkpoint]"),
]
Against = Annotated[
    Path | None,
    typer.Option("--against", help="Compare on the same images with an earlier evaluation: its folder or its .npz."),
]
SkipBroken = Annotated[bool, typer.Option("--skip-broken", help="Leave unusable files out, and count them.")]


def evaluate(
    model: options.Models,
    dataset: options.Labelled = None,
    data_root: options.DataRoot = None,
    split: options.Split = "val",
    checkpoint: Checkpoint = None,
    protocol: ProtocolName = "single",
    input: InputSize = None,
    scales: Scales = None,
    flip: Flip = None,
    window: Window = None,
    boundary: Boundary = True,
    predictions: Predictions = False,
    overlays: Overlays = 0,
    against: Against = None,
    output: Folder = None,
    skip_broken: SkipBroken = False,
    infer_batch: options.InferBatch = 1,
    device: options.DeviceName = "auto",
    precision: options.Precision = "fp32",
    argument: options.Arguments = None,
    threads: options.Threads = None,
    tf32: options.Tf32 = False,
    cudnn_benchmark: options.CudnnBenchmark = False,
    timeout: options.Timeout = 86400.0,
    ledger: options.LedgerFolder = DEFAULT_LEDGER,
    reuse: options.Reuse = False,
    format: options.Format = "table",
    export_csv: options.ExportCsv = None,
    export_json: options.ExportJson = None,
    export_markdown: options.ExportMarkdown = None,
    fail_if: options.FailIf = None,
) -> None:
    """mIoU, accuracies and boundary F of trained networks, from one confusion matrix over the whole split.

    Logits are enlarged to the label's size before the argmax and ignored pixels do not count. What was counted is kept
    image by image, for later comparisons on the same images.
    """
    results = Output(format, Exports(export_csv, export_json, export_markdown), tuple(fail_if or ()))
    models = find_models(model)
    if len(models) > 1 and (checkpoint or output):
        raise UserError(f"{len(models)} networks cannot share one checkpoint or folder; evaluate them one at a time")
    where = choose_device(device, "evaluate")
    other = _saved(against) if against else None
    dataset = dataset or "synthetic"
    case = Case(
        task="evaluate",
        model="",
        arguments=parse_arguments(argument),
        device=where.name,
        infer_batch=infer_batch,
        modes=("infer",),
        classes=default_classes(dataset),
        precision=precision,
        dataset=dataset,
        data_root=found_root(dataset, data_root),
        split=split,
        threads=threads,
        tf32=tf32,
        cudnn_benchmark=cudnn_benchmark,
    ).with_options(
        protocol=protocol, boundary=boundary, predictions=predictions, overlays=overlays, skip_broken=skip_broken
    )
    if other:
        case = case.with_options(against=str(other), against_digest=digest_of(other))
    changes = {
        name: value
        for name, value in (("input", input), ("scales", scales), ("flip", flip), ("window", window))
        if value is not None
    }
    asked = {
        **changes,
        **dict(case.arguments),
        "precision": precision if precision != "fp32" else None,
        "boundary": None if boundary else "no",
        "broken": "skipped" if skip_broken else None,
    }

    def one_network(network: Model) -> list[Case]:
        path = found_checkpoint(network, dataset, data_root, checkpoint)
        width, height = parse_size(input) if input else usual_size(path, network, dataset)
        run = path.parent if checkpoint else usual_run(network, dataset)
        file = path.stem if checkpoint and path.stem != "best" else None
        trained_on, published = facts_of(path).get("data", {}).get("dataset"), published_dataset(dataset)
        differences = {"data": published if trained_on not in (None, published) else None, **asked}
        folder = output or run / _folder_name(split, protocol, file, differences)
        if other and other.resolve().parent == folder.resolve():
            raise UserError(f"--against {other} is where this evaluation is going to be kept; choose a folder with -o")
        sized = replace(case, model=network.spec, width=width, height=height)
        sized = sized.with_arguments(**trained_arguments(path, dict(case.arguments)))
        return [sized.with_options(checkpoint=str(path), weights=digest_of(path), folder=str(folder), **changes)]

    cells = plan(models, one_network, where.title, package_version("torch") or "")
    done = measure(cells, ledger, timeout, reuse=reuse)
    cards = {item.name: item.card for item in models}
    finish(done, evaluation_sheets([item.entry for item in done], cards), cards, results)


def _folder_name(split: str | None, protocol: str, checkpoint: str | None, differences: Mapping[str, Json]) -> str:
    """One for each way of asking a run's network: `evaluation-val-single-last-steps=8`."""
    changed = [f"{name}={value}" for name, value in differences.items() if value is not None]
    return "-".join(word.replace("/", "_") for word in ("evaluation", split, protocol, checkpoint, *changed) if word)


def _saved(place: Path) -> Path:
    """The file an earlier evaluation left.

    Raises:
        UserError: there is none.
    """
    path = place / "evaluation.npz" if place.is_dir() else place
    if not path.is_file():
        raise UserError(f"there is no evaluation {path}; --against wants the folder that segbench evaluate wrote")
    return path
