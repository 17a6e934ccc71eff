"""Every task in one table: what it is asked, what it answers, and what may stand beside it.

A task is a module of `segbench.tasks` with `run(case, report)`. What both sides of the process boundary and every table
must know of it stands here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from segbench.errors import UnknownName
from segbench.records.options import (
    AdaptiveOptions,
    Assumptions,
    CheckDatasetOptions,
    EpochOptions,
    EvaluateOptions,
    GradientsOptions,
    LatencyOptions,
    LibraryOptions,
    MemoryOptions,
    Options,
    ParamsOptions,
    PredictOptions,
    SavingsOptions,
    SnapshotOptions,
    TrainOptions,
    TrajectoryOptions,
)

MODES = ("train", "infer")


@dataclass(frozen=True)
class Task:
    """One thing a fresh process can be asked.

    Attributes:
        name: of the module in `segbench.tasks`.
        headline: the quantity it is about; `{mode}` stands for the case's first mode.
        options: the parameters that only it has.
        modes: of a case, in the order of its processes.
        factors: fields of a case, besides network and device, that change its answer: what a sweep may vary.
        shown: quantities a table of many cases shows beside the headline.
        answers: quantities of which its number is the whole network's; the others are of a part of it.
        partial: its numbers are of half-solved, differently solved or half-trained networks, never to be set beside
            whole ones.
        own_arguments: it varies builder arguments itself and says so in its own rows.
        rounds_about: the quantity that interleaved rounds of fresh processes are to know well; empty for what one
            process tells.
        alone: nothing else may run beside it; otherwise cases may share the processor's cores.
        predicted_by: the task that answers on no device; None where nothing can.
        alike: conditions that all rows of one table share, by the names of `segbench.studies.conditions`.
        tables: what makes its tables in a report, as `module:function` of (entries, model cards); empty for what stands
            in the table of all networks.
        bound: the quantity of the other side of a bracket; empty where there is none.
        trained_run: the option that names the training whose network it is about; empty where none is.
        needs_network: a case names one.
        command: the command that asks it; empty for one of its own name.
        seconds: kind of device -> what a case took on the machine it was written on, rounded up, for plans.
    """

    name: str
    headline: str
    options: type[Options] = Options
    modes: tuple[str, ...] = MODES
    factors: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()
    partial: bool = False
    own_arguments: bool = False
    rounds_about: str = ""
    alone: bool = True
    predicted_by: str | None = None
    alike: tuple[str, ...] = ()
    tables: str = ""
    bound: str = ""
    trained_run: str = ""
    needs_network: bool = True
    command: str = ""
    seconds: Mapping[str, float] = field(default_factory=dict)

    def quantity(self, mode: str) -> str:
        """The headline of a case of this mode."""
        return self.headline.format(mode=mode)

    @property
    def sweepable(self) -> bool:
        return bool(self.factors)

    @property
    def timed(self) -> bool:
        return bool(self.rounds_about)


_NETWORK = ("input", "classes", "seed", "threads")
_RUNNING = (*_NETWORK, "precision", "channels_last", "tf32", "cudnn_benchmark", "warmup")
_TOGETHER = ("strategy", "ranks")
"""Options that may be swept."""
_MEMORY = (
    "parameters",
    *(f"{mode}_peak_{kind}_bytes" for mode in MODES for kind in ("live", "allocated", "reserved", "process")),
)
_SAME_MACHINE = ("device", "size", "precision", "threads", "switches", "images")

_TABLE = (
    Task(
        "memory", "{mode}_peak_live_bytes", MemoryOptions, answers=_MEMORY, predicted_by="predict",
        factors=(*_RUNNING, "batch_size", "infer_batch", "optimizer", "budget_bytes", *_TOGETHER),
        seconds={"cuda": 30.0, "cpu": 10.0},
    ),
    Task(
        "predict", "{mode}_peak_live_bytes", PredictOptions, answers=_MEMORY, predicted_by="predict", alone=False,
        command="memory", seconds={"none": 2.0},
    ),
    Task("snapshot", "{mode}_peak_live_bytes", SnapshotOptions, alone=False, predicted_by="snapshot"),
    Task(
        "max_batch", "max_batch", Assumptions, bound="max_batch_fails_at",
        answers=("max_batch",), predicted_by="max_batch", alone=False, command="max-batch",
        seconds={"none": 8.0, "cuda": 120.0},
    ),
    Task(
        "max_input", "max_input_pixels", Assumptions, bound="max_input_fails_at_pixels",
        answers=("max_input_pixels",), predicted_by="max_input", alone=False, command="max-input",
        seconds={"none": 8.0, "cuda": 120.0},
    ),
    Task(
        "params", "parameters", ParamsOptions, ("infer",), _NETWORK, shown=("macs",), answers=("parameters", "macs"),
        alone=False, seconds={"cpu": 4.0},
    ),
    Task(
        "latency", "latency_s", LatencyOptions, ("infer",),
        factors=(*_RUNNING, "infer_batch", "dataset", "split", "compile", "cuda_graph"),
        answers=("latency_s", "energy_per_image_j", "pipelined_images_per_s", "gpu_busy_fraction"),
        rounds_about="latency_s", alike=(*_SAME_MACHINE, "inference batch"),
        tables="segbench.present.latency:latency_tables", seconds={"cuda": 60.0, "cpu": 90.0},
    ),
    Task(
        "epoch", "epoch_s", EpochOptions, ("train",),
        factors=(*_RUNNING, "batch_size", "optimizer", "compile"),
        answers=("epoch_s", "energy_per_epoch_j"),
        rounds_about="epoch_s", alike=(*_SAME_MACHINE, "epoch"), tables="segbench.present.epoch:epoch_tables",
        seconds={"cuda": 90.0, "cpu": 180.0},
    ),
    Task(
        "gradients", "gradient_relative_error", GradientsOptions, ("train",), partial=True, own_arguments=True,
        tables="segbench.present.gradients:gradients_tables",
    ),
    Task(
        "savings", "{mode}_peak_live_bytes", SavingsOptions, ("train",), partial=True, predicted_by="savings",
        tables="segbench.present.savings:savings_tables", alike=("device", "size", "precision", "threads"),
        seconds={"none": 10.0},
    ),
    Task(
        "train", "miou", TrainOptions, ("train",), partial=True, trained_run="folder",
        tables="segbench.present.training:training_tables",
    ),
    Task(
        "evaluate", "miou", EvaluateOptions, ("infer",), answers=("miou",), alike=("split", "classes"),
        trained_run="checkpoint", tables="segbench.present.evaluation:evaluation_tables",
    ),
    Task(
        "trajectory", "miou", TrajectoryOptions, ("infer",), partial=True, own_arguments=True,
        rounds_about="latency_s", tables="segbench.present.trajectory:trajectory_tables",
        seconds={"cpu": 60.0, "cuda": 60.0},
    ),
    Task(
        "adaptive", "miou", AdaptiveOptions, ("infer",), partial=True, alike=("split", "classes"),
        tables="segbench.present.adaptive:adaptive_tables", seconds={"cpu": 60.0, "cuda": 60.0},
    ),
    Task("benchmark", "{mode}_peak_live_bytes"),
    Task("check_dataset", "images_per_s", CheckDatasetOptions, needs_network=False),
    Task("calibrate", "context_bytes", needs_network=False),
    Task("library", "networks", LibraryOptions, needs_network=False, command="models"),
)  # fmt: skip

TASKS: Mapping[str, Task] = {task.name: task for task in _TABLE}


_RENAMED = {"segnode_vs_hrnet": "benchmark"}
"""In ledgers of format 1 -> now. A benchmark's numbers come from a script of `benchmarks/`, not from a child."""


def task_recorded(name: str) -> Task:
    """The task that a record of any version means.

    Raises:
        UnknownName: none that this version knows.
    """
    return task_named(_RENAMED.get(name, name))


def task_named(name: str) -> Task:
    """The task of that name.

    Raises:
        UnknownName: none; near names are suggested.
    """
    if name not in TASKS:
        raise UnknownName("task", name, TASKS)
    return TASKS[name]
