"""The table of commands, and the one place where an error becomes a sentence and an exit code.

A command's module is imported when it is called: `segbench --help` answers at once.
"""

from __future__ import annotations

import errno
import os
import sys
from dataclasses import dataclass
from importlib import import_module
from io import TextIOWrapper
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from segbench import __version__
from segbench.errors import UserError

_COST, _ACCURACY, _ANALYSIS, _CATALOGUE = "Cost", "Accuracy", "Analysis", "Catalogue"


@dataclass(frozen=True)
class Listed:
    """A command: its name, its place in the help, and the first sentence of its own.

    The module is `segbench.cli.NAME` and holds the command, or a `typer.Typer` of several, under the same name.
    """

    name: str
    panel: str
    help: str

    @property
    def attribute(self) -> str:
        return self.name.replace("-", "_")

    def load(self) -> Any:
        """The command as Typer makes it of the module's function or application."""
        found = getattr(import_module(f"segbench.cli.{self.attribute}"), self.attribute)
        if not isinstance(found, typer.Typer):
            single = typer.Typer(add_completion=False, context_settings=_SETTINGS)
            single.command(self.name)(found)
            found = single
        return get_command(found)


COMMANDS = (
    Listed("memory", _COST, "Peak memory of a training step and of an inference, beside HRNetV2 and the paper."),
    Listed("max-batch", _COST, "The largest batch that fits, and the next one, which does not; both were tried."),
    Listed("max-input", _COST, "The largest input that fits, and the next one, which does not; both were tried."),
    Listed("fits", _COST, "Every model card's largest batch and largest input within a budget; nothing runs."),
    Listed("latency", _COST, "Inference time per image, from pictures in the host's memory to label maps."),
    Listed("epoch", _COST, "Training time of a step and of an epoch: loading, forward, backward, optimizer."),
    Listed("params", _COST, "Parameters, MACs and FLOPs of one image, counted by execution and by two other programs."),
    Listed("gradients", _COST, "Every pair of solver and gradient method: memory, time, evaluations, exactness."),
    Listed("savings", _COST, "Every way to save training memory: how much, for how many operations, how exact."),
    Listed("train", _ACCURACY, "Trains with the model card's recipe; leaves checkpoints, a log and a curve."),
    Listed("evaluate", _ACCURACY, "mIoU, accuracies and boundary F of trained networks, from one confusion matrix."),
    Listed("trajectory", _ACCURACY, "What every end time of a trained ODE network costs and how accurate it is."),
    Listed("adaptive", _ACCURACY, "Whether a network gains by deciding how much to compute: policies and controls."),
    Listed("reproduce", _ANALYSIS, "The paper's tables, figures and claims beside ours, with a verdict for each."),
    Listed("report", _ANALYSIS, "Everything a ledger holds as tables, figures and one HTML page without a network."),
    Listed("sweep", _ANALYSIS, "Every combination of values, each in processes of its own."),
    Listed("compare", _ANALYSIS, "Whether B differs from A: ratio, 95 % interval, and one plain sentence."),
    Listed("ledger", _ANALYSIS, "What was measured: list, show, export, merge."),
    Listed("models", _CATALOGUE, "The networks of the catalogue, the named sets, and what was published of them."),
    Listed("card", _CATALOGUE, "A network of a library or of a file as a model card that a paper can cite."),
    Listed("datasets", _CATALOGUE, "What data sets there are, what each needs, and whether a copy is whole."),
    Listed("gpu-check", _CATALOGUE, "The first minutes on a new GPU: everything once, in the order of value."),
    Listed("calibrate", _CATALOGUE, "What this GPU takes beside tensors, for predictions that name it."),
    Listed("doctor", _CATALOGUE, "Device, driver, versions, and what will be measured and what cannot be."),
)

_SETTINGS = {"help_option_names": ["-h", "--help"]}


class _OnDemand(TyperGroup):
    """Knows every command by its line in `COMMANDS`; imports the one that is called."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, _, rest = super().resolve_command(ctx, args)
        return name, next(entry for entry in COMMANDS if entry.name == name).load(), rest


app = typer.Typer(
    name="segbench",
    help="Tells what a segmentation network costs (memory, batch, time, operations) and how accurate it is (mIoU).",
    cls=_OnDemand,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings=_SETTINGS,
)


def _called() -> None:
    """Stands for a command in the list of commands."""


for _entry in COMMANDS:
    app.command(_entry.name, help=_entry.help, rich_help_panel=_entry.panel)(_called)


@app.callback(invoke_without_command=True)
def _version(version: bool = typer.Option(False, "--version", help="Print the version and stop.")) -> None:
    if version:
        typer.echo(f"segbench {__version__}")
        raise typer.Exit


def run() -> None:
    """The entry point: the user's mistakes are one sentence on stderr and exit code 2."""
    os.environ["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"  # as NVML counts, so that cuda:1 is one GPU for both
    if sys.stdout is None:  # closed by the shell: `segbench ... >&-`
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # whatever a name holds and the terminal cannot show
    try:
        app()
    except UserError as error:
        sys.stderr.write(f"segbench: {error}\n")
        sys.exit(2)
    except BrokenPipeError:
        _forget_stdout()
    except OSError as error:
        sys.stderr.write(f"segbench: {error.filename or 'the output'} cannot be written: {error.strerror}\n")
        sys.exit(1)
    except SystemExit as end:
        if end.code == 1 and _ended_by_a_pipe(end):
            _forget_stdout()
        raise


def _ended_by_a_pipe(end: SystemExit) -> bool:
    """Whether Typer or Rich made this exit of a broken pipe, as both do."""
    reason = end.__context__
    return isinstance(reason, OSError) and reason.errno == errno.EPIPE


def _forget_stdout() -> None:
    """The reader of our pipe has had enough, as in `segbench ... | head`: no failure of ours."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.exit(0)
