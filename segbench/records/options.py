"""The parameters that only one task has, one frozen class a task: the command writes them, the child reads them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from segbench.errors import UserError
from segbench.units import MIB

USUAL_CONTEXT = 500 * MIB
"""Of a CUDA process, as predictions assume it (`segbench.estimate.overheads` has the sources)."""

CAMVID_IMAGES = 367
"""Of the training split: the epoch of the paper's Table 2."""

READS, WRITES = "reads", "writes"
"""Marks of options that hold a path: a machine that answers for another must be sent, or must send back, what is there.
"""

PREDICTION_MODEL = 5
"""Of predictions' rules: a higher number where the same question has another answer, so that ledgers are asked anew.

    1: no workspaces of cuDNN unless they were asked for.
    2: the expected workspaces; softmax's, losses' and older releases' buffers as published trainings have them.
    3: networks that supervise themselves make the step they train with; largest inputs are searched otherwise.
    4: searches start from other batches and inputs; adaptive solves are without 8 bytes that the trace itself held.
    5: searches go down in small steps from what does not fit.
"""

ReadPath = Annotated[str, READS]
WrittenPath = Annotated[str, WRITES]
MaybeRead = Annotated[str | None, READS]
MaybeWritten = Annotated[str | None, WRITES]


class Options(BaseModel):
    """Base of every task's options; equal options are equal questions.

    Raises:
        UserError: from `parse` and `changed`: an option the task does not have, or a value out of its range.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Self:
        """The options with these values, all others as usual."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(str(part) for part in first["loc"][:1])
            if first["type"] == "extra_forbidden":
                raise UserError(f"no option {name!r}; known here: {', '.join(cls.model_fields) or 'none'}") from error
            raise UserError(f"option {name} cannot be {first['input']!r}: {first['msg']}") from error

    @classmethod
    def recorded(cls, values: Mapping[str, Any]) -> Self:
        """The options as a record of any version holds them; names that are no longer known are passed over."""
        known = cls.model_fields
        if not values.keys() <= known.keys():
            values = {new: values[name] for name in values if (new := _RENAMED.get(name, name)) in known}
        return cls.parse(values)

    def changed(self, **values: Any) -> Self:
        """The same with some values replaced."""
        return self.parse({**self.model_dump(), **values})

    def given(self) -> dict[str, Any]:
        """What differs from the usual, as JSON has it."""
        found: dict[str, Any] = self.model_dump(mode="json")
        usual = {name: item.default for name, item in type(self).model_fields.items()}
        return {name: value for name, value in found.items() if getattr(self, name) != usual[name]}

    def to_json(self) -> dict[str, Any]:
        """Every option that says something, a None among them where the usual is another; inverse of `parse`."""
        found: dict[str, Any] = self.model_dump(mode="json")
        usual = {name: item.default for name, item in type(self).model_fields.items()}
        return {name: value for name, value in found.items() if value is not None or usual[name] is not None}

    def paths(self, mark: str) -> Iterator[tuple[str, Path]]:
        """(name, path) of the options marked `READS` or `WRITES` that are set."""
        for name, item in type(self).model_fields.items():
            value = getattr(self, name)
            if mark in item.metadata and value:
                yield name, Path(value)


_RENAMED = {"zoom": "scale_jitter"}
"""In ledgers of format 1 -> now."""


class Shared(Options):
    """How processes train one network together.

    Attributes:
        strategy: one process; or one of several that train together, which copy gradients into buckets (`ddp`), keep
            them there (`ddp-views`), or share parameters, gradients and the optimizer's state (`fsdp`).
        ranks: how many processes train together.
    """

    strategy: Literal["single", "ddp", "ddp-views", "fsdp"] = "single"
    ranks: int = Field(1, ge=1, le=2**16)

    @property
    def processes(self) -> int:
        """How many hold a part of what is measured."""
        return self.ranks if self.shares else 1

    @property
    def shares(self) -> bool:
        """Whether the process that is measured is one of those that train together."""
        return self.strategy != "single"

    def require_sensible(self) -> None:
        """Raises:
        UserError: several processes that do nothing together, or a single rank of FSDP, which has nothing to share.
        """
        if self.ranks > 1 and not self.shares:
            raise UserError(f"{self.ranks} ranks need a strategy: ddp, ddp-views or fsdp; single is one process")
        if self.strategy == "fsdp" and self.ranks < 2:
            raise UserError("strategy fsdp shares parameters between processes: say how many with ranks, from 2")


class MemoryOptions(Shared):
    """Of `memory`: bytes of the process outside the allocator, which count against the budget; None for none known."""

    context_bytes: int | None = None


class Assumptions(Shared):
    """What a prediction assumes of a GPU.

    Attributes:
        context_bytes: of the CUDA context.
        cublas_bytes: of a cuBLAS handle's workspace; None takes the usual.
        workspaces: of cuDNN: `none`; `expected`, of the algorithm that fits published peaks best; or `upper`, of one
            that takes more.
        nfe: evaluations of f in an adaptive solve; None where they are not stated.
        attention: CUDA's kernel of attention that is preferred; None for torch's own order.
        capability: CUDA compute capability of the GPU, on which attention's kernels depend; None for Ampere's.
        assume_torch: the release whose habits are meant, such as `1.8`; None for the torch that runs.
        target: whose memory is meant; `cpu` sets a prediction beside a real step on the CPU, and has live bytes alone.
    """

    context_bytes: int = USUAL_CONTEXT
    cublas_bytes: int | None = None
    workspaces: Literal["none", "expected", "upper"] = "expected"
    nfe: int | None = None
    attention: Literal["flash", "efficient", "cudnn", "math"] | None = None
    capability: tuple[int, int] | None = None
    assume_torch: str | None = None
    target: Literal["cuda", "cpu"] = "cuda"

    @classmethod
    def recorded(cls, values: Mapping[str, Any]) -> Self:
        """The same; a record that says nothing of workspaces is of a time when none were predicted."""
        return super().recorded({"workspaces": "none", **values})


class PredictOptions(Assumptions):
    """Of `predict`: whether bytes by role over the step are kept."""

    timeline: bool = False


class SnapshotOptions(Assumptions):
    """Of `snapshot`: the file to write."""

    path: WrittenPath = ""


class ParamsOptions(Options):
    """Of `params`: whether fvcore counts too; whether networks are run whose operations depend on numbers."""

    crosscheck: bool = True
    execute: bool = True


class TimingOptions(Options):
    """How long a time is measured: over all rounds, and this process's share of it.

    Attributes:
        target, min_rounds, min_runs, max_runs, max_seconds: see `segbench.statistics.stopping.StopRule`.
        round_min_runs, round_max_runs, round_seconds: of one process; None takes the usual.
    """

    target: float = 0.01
    min_rounds: int = 5
    min_runs: int = 10
    max_runs: int = 1000
    max_seconds: float = 60.0
    round_min_runs: int | None = None
    round_max_runs: int | None = None
    round_seconds: float | None = None


HOW_LONG = frozenset(TimingOptions.model_fields)
"""Options that say how long to measure and not what."""


class LatencyOptions(TimingOptions):
    """Of `latency`: trained weights with their digest, which say what a network that decides computes."""

    checkpoint: MaybeRead = None
    weights: str | None = None


class EpochOptions(TimingOptions):
    """Of `epoch`: images an epoch, those of the data set's copy if None, and processes that load them."""

    images: int | None = Field(CAMVID_IMAGES, ge=1)
    workers: int = 0


class GradientsOptions(Options):
    """Of `gradients`: only these methods, trained weights with their digest, and rounds of timing."""

    solvers: tuple[str, ...] = ()
    gradients: tuple[str, ...] = ()
    rounds: int = 3
    checkpoint: MaybeRead = None
    weights: str | None = None


class SavingsOptions(Assumptions):
    """Of `savings`: the network whose table this is part of, and timed steps."""

    of: str = ""
    rounds: int = Field(3, ge=1)


class ProtocolOptions(Options):
    """How an image is shown to a network; `segbench.evaluation.protocol` explains them."""

    protocol: str = "single"
    input: str | None = None
    scales: str | None = None
    flip: bool | None = None
    window: str | None = None


class EvaluateOptions(ProtocolOptions):
    """Of `evaluate`.

    Attributes:
        checkpoint, weights: the file and its digest.
        folder: of what is left.
        label_map: the network's classes, each with the train id it counts as, where they are not the data set's.
        partial: evaluates also where weights are missing or have other shapes.
        trust_pickle: weights may be a pickle with code in it, which is then run.
        against, against_digest: an earlier evaluation's file.
        predictions, overlays: pictures to save.
    """

    checkpoint: ReadPath = ""
    weights: str | None = None
    folder: WrittenPath = ""
    label_map: tuple[tuple[str, int | None], ...] = ()
    partial: bool = False
    trust_pickle: bool = False
    boundary: bool = True
    predictions: bool = False
    overlays: int = 0
    skip_broken: bool = False
    against: MaybeRead = None
    against_digest: str | None = None


class TrajectoryOptions(TimingOptions):
    """Of `trajectory`.

    Attributes:
        times, steps: where the solve ends, and other numbers of steps; None takes the usual.
        stop: early-exit rules.
        images: how many of the split, spread evenly; None for all.
        pictures, strip: of how many images a strip is drawn, and into which file.
        part: `once` for what comes out the same each time, `timed` for a round of times; None for all of it.
    """

    checkpoint: ReadPath = ""
    weights: str | None = None
    times: tuple[float, ...] | None = None
    steps: tuple[int, ...] | None = None
    stop: tuple[str, ...] = ()
    images: int | None = None
    pictures: int = 3
    strip: MaybeWritten = None
    part: Literal["once", "timed"] | None = None


class AdaptiveOptions(Options):
    """Of `adaptive`.

    Attributes:
        policies: to be judged; nothing takes the network's own.
        images: how many of the split, spread evenly; None for all.
        pictures, depth: of how many images it is shown where computation was spent, and the file.
        timed: whether it takes times, without which no verdict says that time is saved.
        alone: no other network is compared, so that a static one leaves nothing to judge.
    """

    checkpoint: ReadPath = ""
    weights: str | None = None
    policies: tuple[str, ...] = ()
    images: int | None = None
    pictures: int = 3
    depth: MaybeWritten = None
    timed: bool = True
    alone: bool = True


class TrainOptions(Options):
    """Of `train`: what the user said; None keeps the model card's recipe or the data set's usual crops."""

    folder: WrittenPath = ""
    task: Literal["segment", "classify"] = "segment"
    epochs: int | None = None
    steps: int | None = None
    minutes: float | None = None
    lr: float | None = None
    momentum: float | None = None
    weight_decay: float | None = None
    schedule: str | None = None
    power: float | None = None
    warmup_steps: int | None = None
    clip: float | None = None
    ema: float | None = None
    supervision: str | None = None
    class_weights: str | None = None
    ohem: bool = False
    accumulate: int = 1
    label_stride: int = 1
    scale_jitter: str | None = None
    augment: bool = True
    val_split: str | None = None
    workers: int = 0
    cache: str = "off"
    skip_broken: bool = False
    init: MaybeRead = None
    resume: bool = False
    overwrite: bool = False
    validations: int = 10
    save_every_s: float = 60.0
    sync_batch_norm: bool = False


class CheckDatasetOptions(Options):
    """Of `check_dataset`: only these splits, and a picture to draw."""

    splits: tuple[str, ...] = ()
    contact_sheet: MaybeWritten = None


class LibraryOptions(Options):
    """Of `library`: which, a module of `segbench.libraries`."""

    library: str = ""
