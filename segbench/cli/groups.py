"""The groups of flags that commands share, each declared once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Protocol

from typer import Option

from segbench.cards.datasets import settled_spec
from segbench.cards.model import Model, find_models
from segbench.cli.cases import default_classes, found_root, parse_arguments
from segbench.cli.flags import Group
from segbench.devices.choice import Device, choose_device
from segbench.devices.node import Node
from segbench.records.ledger import DEFAULT_LEDGER
from segbench.records.options import TimingOptions
from segbench.statistics.stopping import StopRule
from segbench.units import parse_size

MOST_WORKERS = 1024
"""Processes that load images: more are a slip of the keyboard, and would fill the machine before they are refused."""


class SeesNodes(Protocol):
    """An executor of other machines."""

    def node(self, device: str, /) -> Node:
        """The kind of machine that answers cases of a device."""


Fields = dict[str, Any]
"""Fields of a case."""

OwnFields = Callable[[Model], Fields]
"""What a network's cases have in the place of what all have."""


@dataclass(frozen=True, kw_only=True)
class NetworkFlags(Group):
    """Which networks, and how they are built."""

    panel: ClassVar[str] = "Network"

    model: Annotated[
        list[str],
        Option(
            "-m",
            "--model",
            help="A model card (segnode, hrnetv2+checkpoint), a set (table2), card.toml, file.py:Name or "
            "package.module:Name; ?steps=8 behind it sets builder arguments; repeatable.",
            show_default=False,
        ),
    ]
    classes: Annotated[int | None, Option("--classes", help="Classes. \\[default: 11, or the data set's]", min=1)] = (
        None
    )
    argument: Annotated[
        list[str] | None,
        Option("-a", "--argument", help="Set a builder argument of every network, as in steps=8; repeatable."),
    ] = None
    network_output: Annotated[
        str | None,
        Option(
            "--network-output",
            help="Which of several outputs is the answer, by NAME or INDEX. \\[default: by convention, told in a note]",
        ),
    ] = None
    aux_weight: Annotated[
        float | None,
        Option(
            "--aux-weight", help="Weight of every other output in the loss. \\[default: its library's, or 0.4]", min=0
        ),
    ] = None
    pad: Annotated[
        bool, Option("--pad", help="Pad images to the next size that the network takes, where it does not take all.")
    ] = False

    def models(self) -> list[Model]:
        return find_models(self.model)

    def case_fields(self, dataset: str | None = None) -> Fields:
        return {
            "arguments": parse_arguments(self.argument),
            "classes": self.classes or default_classes(dataset),
            "output": self.network_output,
            "aux_weight": self.aux_weight,
            "pad": self.pad,
        }


@dataclass(frozen=True, kw_only=True)
class BatchFlags(Group):
    """How many images at once."""

    panel: ClassVar[str] = "Conditions"

    batch_size: Annotated[
        int | None,
        Option("-b", "--batch-size", help="Images per training step. \\[default: 24; 1 on the CPU]", min=1),
    ] = None
    infer_batch: Annotated[int, Option("--infer-batch", help="Images per inference.", min=1)] = 1

    def own(self, model: Model) -> Fields:
        """The batch of a card with conditions of its own, where the user does not say one."""
        asked = self.batch_size is not None or not model.card.own_conditions
        return {} if asked else {"batch_size": model.card.recipe.batch_size}


@dataclass(frozen=True, kw_only=True)
class SizeFlags(Group):
    """At what size."""

    panel: ClassVar[str] = "Conditions"

    input: Annotated[
        str | None,
        Option(
            "--input", help="Input size, width x height. \\[default: 480x360; the crop of a config of mmsegmentation]"
        ),
    ] = None

    def case_fields(self) -> Fields:
        width, height = parse_size(self.input or "480x360")
        return {"width": width, "height": height}

    def own(self, model: Model) -> Fields:
        """The size of a card with conditions of its own, where the user does not say one."""
        asked = self.input is not None or not model.card.own_conditions
        return {} if asked else {"width": model.card.input.width, "height": model.card.input.height}


@dataclass(frozen=True, kw_only=True)
class ConditionFlags(Group):
    """On what, and in which arithmetic."""

    panel: ClassVar[str] = "Conditions"

    device: Annotated[str, Option("--device", help="auto, cuda, cuda:N, cpu, or none (predict, run nothing).")] = "auto"
    precision: Annotated[str, Option("--precision", help="fp32, bf16 or fp16 (autocast).")] = "fp32"
    optimizer: Annotated[
        str | None, Option("--optimizer", help="sgd, adamw, muon or none. \\[default: the model card's]")
    ] = None
    channels_last: Annotated[bool, Option("--channels-last", help="Store images and weights as NHWC.")] = False
    tf32: Annotated[bool, Option("--tf32/--no-tf32", help="Allow TF32 on CUDA.")] = False
    cudnn_benchmark: Annotated[bool, Option("--cudnn-benchmark", help="Let cuDNN try algorithms.")] = False
    seed: Annotated[int, Option("--seed", help="Of weights, inputs and order.", min=0)] = 0
    threads: Annotated[int | None, Option("--threads", help="CPU threads of the measuring process.", min=1)] = None

    def where(self, command: str, predicts: bool = False, seen: SeesNodes | None = None) -> Device:
        """Args:
        seen: the machines that may answer; None for this one.
        """
        return choose_device(self.device, command, predicts, seen.node(self.device) if seen else None)

    def case_fields(self) -> Fields:
        names = ("precision", "optimizer", "channels_last", "tf32", "cudnn_benchmark", "seed", "threads")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True, kw_only=True)
class CompilerFlags(Group):
    """How the network's kernels are launched."""

    panel: ClassVar[str] = "Conditions"

    compile: Annotated[bool, Option("--compile", help="torch.compile the network.")] = False
    cuda_graph: Annotated[
        bool, Option("--cuda-graph", help="Capture an inference's kernels once and launch them together.")
    ] = False

    def case_fields(self) -> Fields:
        return {"compile": self.compile, "cuda_graph": self.cuda_graph}


@dataclass(frozen=True, kw_only=True)
class DataFlags(Group):
    """Which images."""

    panel: ClassVar[str] = "Images"

    dataset: Annotated[
        str | None,
        Option("-d", "--dataset", help="Real images of this data set, or of a card.toml. \\[default: random]"),
    ] = None
    data_root: Annotated[
        Path | None,
        Option("--data-root", help="Where the data set lies. \\[default: SEGBENCH_DATA, or the config file]"),
    ] = None
    split: Annotated[
        str | None, Option("--split", help="train, val, test, train+val, ... as the data set has them.")
    ] = None

    def case_fields(self) -> Fields:
        root = found_root(self.dataset, self.data_root)
        dataset = settled_spec(self.dataset) if self.dataset else None
        return {"dataset": dataset, "data_root": root, "split": self.split}


@dataclass(frozen=True, kw_only=True)
class LabelledFlags(DataFlags):
    """Which images with labels; without a word the synthetic streets."""

    dataset: Annotated[
        str | None,
        Option("-d", "--dataset", help="The data set, by name or card.toml. \\[default: synthetic streets]"),
    ] = None

    @property
    def named(self) -> str:
        """As a child finds it."""
        return settled_spec(self.dataset or "synthetic")

    def case_fields(self) -> Fields:
        return {"dataset": self.named, "data_root": found_root(self.named, self.data_root), "split": self.split}


_USUAL = StopRule()


@dataclass(frozen=True, kw_only=True)
class TimingFlags(Group):
    """How long is measured."""

    panel: ClassVar[str] = "Timing"

    noise: Annotated[
        float, Option("--noise", help="Stop when the median is known to this share (95 % interval's half-width).")
    ] = _USUAL.target
    rounds: Annotated[int, Option("--rounds", help="Fresh processes a network, at least; interleaved.", min=1)] = (
        _USUAL.min_rounds
    )
    min_runs: Annotated[int, Option("--min-runs", help="Timed calls a network, at least.", min=1)] = _USUAL.min_runs
    max_runs: Annotated[int, Option("--max-runs", help="Timed calls a network, at most.", min=1)] = _USUAL.max_runs
    max_seconds: Annotated[
        float, Option("--max-seconds", help="Time a network, at most; looked at between rounds.")
    ] = _USUAL.max_seconds
    warmup: Annotated[int, Option("-w", "--warmup", help="Calls before the steady state is looked for.", min=0)] = 2

    def rule(self) -> StopRule:
        """The rule that the flags mean.

        Raises:
            UserError: they contradict each other.
        """
        most = max(self.min_runs, self.max_runs) if self.max_runs == _USUAL.max_runs else self.max_runs
        return StopRule(self.noise, self.rounds, self.min_runs, most, self.max_seconds)

    def options(self) -> TimingOptions:
        return TimingOptions.parse(self.rule().options())


@dataclass(frozen=True, kw_only=True)
class RunFlags(Group):
    """How a command runs and where its ledger is."""

    panel: ClassVar[str] = "Run"

    timeout: Annotated[float, Option("--timeout", help="Seconds a single process may take.", min=1)] = 600.0
    ledger: Annotated[Path, Option("--ledger", help="Folder of the ledger.")] = DEFAULT_LEDGER
    reuse: Annotated[
        bool, Option("--reuse", help="Take what the ledger already answers instead of measuring anew.")
    ] = False
    start: Annotated[
        str | None,
        Option(
            "--start",
            help="Of each case's process: warm (forked from one that has imported torch) or cold (a new interpreter). "
            "\\[default: SEGBENCH_START, or warm]",
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class MachineFlags(Group):
    """Which machines answer; docs/cluster.md has the whole way."""

    panel: ClassVar[str] = "Machines"

    executor: Annotated[
        Literal["local", "ray", "slurm"],
        Option("--executor", help="This machine, the nodes of a Ray cluster, or jobs of Slurm through submitit."),
    ] = "local"
    address: Annotated[
        str, Option("--address", help="Of Ray: auto or ray://HOST:10001. Of Slurm: local tries it without Slurm.")
    ] = "auto"
    retries: Annotated[
        int, Option("--retries", help="How often a case whose worker was lost is tried again.", min=0)
    ] = 1
    accelerator: Annotated[
        str | None, Option("--accelerator", help="The kind of GPU, as Ray or Slurm calls it: A100, h100.")
    ] = None
    cpus: Annotated[
        int | None,
        Option(
            "--cpus",
            help="Cores a case reserves. \\[default: on a CPU the whole machine, where it is to be alone]",
            min=1,
        ),
    ] = None
    partition: Annotated[str | None, Option("--partition", help="Of Slurm.")] = None
    constraint: Annotated[str | None, Option("--constraint", help="Of Slurm, as in volta|ampere.")] = None
    time: Annotated[str, Option("--time", help="After which Slurm ends a case: minutes, or 04:00:00.")] = "04:00:00"


@dataclass(frozen=True, kw_only=True)
class OutputFlags(Group):
    """Where results go, and what makes the command fail."""

    panel: ClassVar[str] = "Output"

    format: Annotated[str, Option("--format", help="On stdout: table, markdown, csv or json.")] = "table"
    export_csv: Annotated[Path | None, Option("--export-csv", help="Write tidy rows as CSV.")] = None
    export_json: Annotated[Path | None, Option("--export-json", help="Write tidy rows as JSON.")] = None
    export_markdown: Annotated[Path | None, Option("--export-markdown", help="Write the table as Markdown.")] = None
    fail_if: Annotated[
        list[str] | None,
        Option(
            "--fail-if", help='Exit with 3 if it holds for a row, as in "train_peak_live_bytes > 24GiB"; repeatable.'
        ),
    ] = None


def case_fields(
    where: Device, network: NetworkFlags, *groups: ConditionFlags | SizeFlags | CompilerFlags | DataFlags
) -> Fields:
    """Fields of every case of a command that has these groups."""
    fields: Fields = {"device": where.name}
    for group in groups:
        fields |= group.case_fields()
    return {**network.case_fields(fields.get("dataset")), **fields}


PeoplesFormat = Annotated[str, Option("--format", help="On stdout: table or markdown.")]
LedgerFolder = Annotated[Path, Option("--ledger", help="Folder of the ledger.")]


def texts(values: Sequence[str] | None) -> tuple[str, ...]:
    """A repeatable flag as a tuple."""
    return tuple(values or ())
