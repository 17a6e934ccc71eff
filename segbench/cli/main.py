"""The table of commands, and the one place where an error becomes a sentence and an exit code."""

from __future__ import annotations

import os
import sys

import typer

from segbench import __version__
from segbench.cli.compare import compare
from segbench.cli.datasets import datasets
from segbench.cli.doctor import doctor
from segbench.cli.epoch import epoch
from segbench.cli.evaluate import evaluate
from segbench.cli.fits import fits
from segbench.cli.gradients import gradients
from segbench.cli.latency import latency
from segbench.cli.ledger import ledger
from segbench.cli.max_batch import max_batch
from segbench.cli.max_input import max_input
from segbench.cli.memory import memory
from segbench.cli.models import models
from segbench.cli.params import params
from segbench.cli.report import report
from segbench.cli.reproduce import reproduce
from segbench.cli.sweep import sweep
from segbench.cli.train import train
from segbench.cli.trajectory import trajectory
from segbench.errors import UserError

app = typer.Typer(
    name="segbench",
    help="Tells what a segmentation network costs (memory, batch, time, operations) and what it buys (mIoU).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_COST, _ACCURACY, _ANALYSIS, _CATALOGUE = "Cost", "Accuracy", "Analysis", "Catalogue"

app.command(rich_help_panel=_COST)(memory)
app.command("max-batch", rich_help_panel=_COST)(max_batch)
app.command("max-input", rich_help_panel=_COST)(max_input)
app.command(rich_help_panel=_COST)(fits)
app.command(rich_help_panel=_COST)(latency)
app.command(rich_help_panel=_COST)(epoch)
app.command(rich_help_panel=_COST)(params)
app.command(rich_help_panel=_COST)(gradients)
app.command(rich_help_panel=_ACCURACY)(train)
app.command(rich_help_panel=_ACCURACY)(evaluate)
app.command(rich_help_panel=_ACCURACY)(trajectory)
app.command(rich_help_panel=_ANALYSIS)(reproduce)
app.command(rich_help_panel=_ANALYSIS)(report)
app.command(rich_help_panel=_ANALYSIS)(sweep)
app.command(rich_help_panel=_ANALYSIS)(compare)
app.add_typer(ledger, name="ledger", rich_help_panel=_ANALYSIS)
app.command(rich_help_panel=_CATALOGUE)(models)
app.add_typer(datasets, name="datasets", rich_help_panel=_CATALOGUE)
app.command(rich_help_panel=_CATALOGUE)(doctor)


@app.callback(invoke_without_command=True)
def _version(version: bool = typer.Option(False, "--version", help="Print the version and stop.")) -> None:
    if version:
        typer.echo(f"segbench {__version__}")
        raise typer.Exit


def run() -> None:
    """The entry point: the user's mistakes are one sentence on stderr and exit code 2."""
    os.environ["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"  # as NVML counts, so that cuda:1 is one GPU for both
    try:
        app()
    except UserError as error:
        sys.stderr.write(f"segbench: {error}\n")
        sys.exit(2)
    except BrokenPipeError:  # the reader of our pipe has had enough: `segbench ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
