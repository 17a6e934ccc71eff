"""The flags commands share, each declared once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Models = Annotated[
    list[str],
    typer.Option(
        "-m",
        "--model",
        help="A card (segnode, hrnetv2+checkpoint), a set (table2), card.toml, file.py:Name or package.module:Name.",
        show_default=False,
    ),
]
DeviceName = Annotated[str, typer.Option("--device", help="auto, cuda, cuda:N, cpu, or none (predict, run nothing).")]
InputSize = Annotated[str, typer.Option("--input", help="Input size, width x height, as in 480x360.")]
BatchSize = Annotated[
    int | None,
    typer.Option("-b", "--batch-size", help="Images per training step. \\[default: 24; 1 on the CPU]", min=1),
]
InferBatch = Annotated[int, typer.Option("--infer-batch", help="Images per inference.", min=1)]
Classes = Annotated[int | None, typer.Option("--classes", help="Classes. \\[default: 11, or the data set's]", min=1)]
Precision = Annotated[str, typer.Option("--precision", help="fp32, bf16 or fp16 (autocast).")]
Optimizer = Annotated[str | None, typer.Option("--optimizer", help="sgd, adamw, muon or none. \\[default: the card's]")]


def _settled(dataset: str | None) -> str | None:
    """A user's card as a child finds it; the import waits for a data set, so that --help answers at once."""
    from segbench.cards.datasets import settled_spec

    return settled_spec(dataset) if dataset else None


Dataset = Annotated[
    str | None,
    typer.Option(
        "-d",
        "--dataset",
        help="Real images of this data set, a name or your own mine.toml. \\[default: random]",
        callback=_settled,
    ),
]
Images = Annotated[
    int | None, typer.Option("--images", help="Images of an epoch. \\[default: the split's; 367, CamVid's]", min=1)
]
Labelled = Annotated[
    str | None,
    typer.Option(
        "-d",
        "--dataset",
        help="The data set, a name or your own mine.toml. \\[default: synthetic streets]",
        callback=_settled,
    ),
]
DataRoot = Annotated[
    Path | None,
    typer.Option("--data-root", help="Where the data set lies. \\[default: SEGBENCH_DATA, or the config file]"),
]
Split = Annotated[
    str | None, typer.Option("--split", help="train, val, test, train+val, ... as the data set has them.")
]
Seed = Annotated[int, typer.Option("--seed", help="Of weights, inputs and order.", min=0)]
Threads = Annotated[int | None, typer.Option("--threads", help="CPU threads of the measuring process.", min=1)]
Warmup = Annotated[
    int | None,
    typer.Option("-w", "--warmup", help="Steps before measuring. \\[default: 3; 1 on the CPU and in searches]", min=0),
]
Arguments = Annotated[
    list[str] | None,
    typer.Option("-a", "--argument", help="Replace a builder argument, as in steps=8 or gradient=adjoint; repeatable."),
]
ChannelsLast = Annotated[bool, typer.Option("--channels-last", help="Store images and weights as NHWC.")]
Tf32 = Annotated[bool, typer.Option("--tf32/--no-tf32", help="Allow TF32 on CUDA.")]
CudnnBenchmark = Annotated[bool, typer.Option("--cudnn-benchmark", help="Let cuDNN try algorithms.")]
Compile = Annotated[bool, typer.Option("--compile", help="torch.compile the network.")]
Timeout = Annotated[float, typer.Option("--timeout", help="Seconds a single case may take.", min=1)]
LedgerFolder = Annotated[Path, typer.Option("--ledger", help="Folder of the ledger.")]
Reuse = Annotated[bool, typer.Option("--reuse", help="Take what the ledger already answers instead of measuring anew.")]
Format = Annotated[str, typer.Option("--format", help="On stdout: table, markdown, csv or json.")]
PeoplesFormat = Annotated[str, typer.Option("--format", help="On stdout: table or markdown.")]
ExportCsv = Annotated[Path | None, typer.Option("--export-csv", help="Write tidy rows as CSV.")]
ExportJson = Annotated[Path | None, typer.Option("--export-json", help="Write tidy rows as JSON.")]
ExportMarkdown = Annotated[Path | None, typer.Option("--export-markdown", help="Write the table as Markdown.")]
FailIf = Annotated[
    list[str] | None,
    typer.Option(
        "--fail-if", help='Exit with 3 if it holds for a row, as in "train_peak_live_bytes > 24GiB"; repeatable.'
    ),
]
