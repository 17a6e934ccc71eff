"""A case: everything that decides what one cell measures, frozen so that it can be a key."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import ConfigDict, SkipValidation

from segbench.errors import UnknownName, UserError
from segbench.records.host import package_version
from segbench.records.options import PREDICTION_MODEL, Assumptions, Options
from segbench.records.shapes import AS_RECORDED
from segbench.records.tasks import Task, task_named, task_recorded

Json = Any
"""Whatever `json` can carry: None, bool, int, float, str, lists and string-keyed dicts of these."""

PRECISIONS = ("fp32", "bf16", "fp16")
OPTIMIZERS = ("sgd", "adamw", "muon", "none")
_SWITCHES = ("channels_last", "tf32", "cudnn_benchmark", "compile", "cuda_graph")
_AT_LEAST = {"width": 1, "height": 1, "batch_size": 1, "infer_batch": 1, "classes": 1, "warmup": 0, "seed": 0}
_MOST = 2**31 - 1
"""What torch takes as a size, a seed or a number of threads on every system."""
_DEVICE = re.compile("cpu|none|cuda(:[0-9]+)?")
_NOT_IN_KEY = ("data_root",)

OptionsT = TypeVar("OptionsT", bound=Options)


@dataclass(frozen=True, slots=True)
class Case:
    """One network under one set of conditions; equal cases are the same measurement.

    Attributes:
        task: what is measured, a name of `TASKS`.
        model: what finds the network (`segbench.cards.spec`); empty only for a task without one.
        arguments: builder arguments that replace the card's, as sorted (name, value) pairs; lists become tuples.
        device: `cpu`, `cuda`, `cuda:N`, or `none` (nothing runs: predicted).
        width, height: input size in pixels, both networks' input and labels.
        batch_size: images per training step.
        infer_batch: images per inference.
        modes: of the task's modes, what is to be measured; all if not said.
        classes: classes of the output.
        precision: `fp32`, `bf16` or `fp16` (the latter two under autocast).
        optimizer: `sgd`, `adamw`, `muon` or `none`; None takes the card's recipe.
        dataset, data_root, split: real images instead of random ones; data_root never enters the key.
        seed: of weights, inputs and order.
        threads: CPU threads of the child; None leaves torch's default, which the child records.
        budget_bytes: memory that must not be exceeded, for the searches.
        warmup: steps or calls before measuring starts.
        cuda_graph: an inference's kernels are captured once and launched together.
        output: which of several outputs is the answer, by name or number; None: by convention.
        aux_weight: of every other output in the loss; None: the network's library's, or the usual 0.4.
        pad: images are padded to a size that the network takes.
        options: the task's own parameters.

    Raises:
        UserError: an unknown task, mode or device, a value out of its range, or options of another task.
    """

    task: str
    model: str
    arguments: tuple[tuple[str, Json], ...] = ()
    device: str = "cpu"
    width: int = 480
    height: int = 360
    batch_size: int = 1
    infer_batch: int = 1
    modes: tuple[str, ...] = ()
    classes: int = 11
    precision: str = "fp32"
    optimizer: str | None = None
    dataset: str | None = None
    data_root: str | None = None
    split: str | None = None
    seed: int = 0
    threads: int | None = None
    budget_bytes: int | None = None
    warmup: int = 2
    channels_last: bool = False
    tf32: bool = False
    cudnn_benchmark: bool = False
    compile: bool = False
    cuda_graph: bool = False
    output: str | None = None
    aux_weight: float | None = None
    pad: bool = False
    options: Annotated[Options | None, SkipValidation] = None

    __pydantic_config__: ClassVar[ConfigDict] = AS_RECORDED

    def __post_init__(self) -> None:
        kind = self.kind
        if not self.modes:
            object.__setattr__(self, "modes", kind.modes)
        if self.options is None:
            object.__setattr__(self, "options", kind.options.parse({}))
        elif isinstance(self.options, dict):  # as a record has them
            object.__setattr__(self, "options", kind.options.recorded(self.options))
        if self.arguments:
            object.__setattr__(self, "arguments", tuple((name, _frozen(value)) for name, value in self.arguments))
        self._check_names(kind)
        self._check_numbers()

    def _check_names(self, kind: Task) -> None:
        if kind.needs_network and not self.model:
            raise UserError(f"{self.task} needs a network; name one with -m")
        for mode in self.modes:
            if mode not in kind.modes:
                raise UnknownName(f"mode of {self.task}", mode, kind.modes)
        if not _DEVICE.fullmatch(self.device):
            raise UserError(f"no device {self.device!r}; choose cpu, cuda, cuda:N or none")
        if self.precision not in PRECISIONS:
            raise UserError(f"precision {self.precision!r} is not one of {', '.join(PRECISIONS)}")
        if self.optimizer not in (None, *OPTIMIZERS):
            raise UnknownName("optimizer", str(self.optimizer), OPTIMIZERS)
        if type(self.options) is not kind.options:
            raise UserError(f"{self.task} takes {kind.options.__name__}, not {type(self.options).__name__}")

    def _check_numbers(self) -> None:
        for name, least in _AT_LEAST.items():
            value = getattr(self, name)
            if not least <= value <= _MOST:
                raise UserError(f"{name} is {value}; it must be from {least} to {_MOST}")
        if self.threads is not None and not 1 <= self.threads <= 4096:
            raise UserError(f"threads is {self.threads}; it must be from 1 to 4096")
        if self.aux_weight is not None and not 0 <= self.aux_weight < math.inf:
            raise UserError(f"aux_weight is {self.aux_weight}; it must be a number from 0")

    def __hash__(self) -> int:
        """Of the JSON form, so that values may hold dicts."""
        return hash(json.dumps(self.to_json(), sort_keys=True))

    @property
    def kind(self) -> Task:
        """The task's row of the table of tasks."""
        return task_named(self.task)

    @property
    def switches(self) -> tuple[str, ...]:
        """Names of the switches that are on, beside the precision."""
        return tuple(name for name in _SWITCHES if getattr(self, name))

    def options_as(self, kind: type[OptionsT]) -> OptionsT:
        """The options, known to be of the task's class or of a base of it.

        Raises:
            TypeError: they are of another task.
        """
        if not isinstance(self.options, kind):
            raise TypeError(f"{self.task} has {type(self.options).__name__}, not {kind.__name__}")
        return self.options

    def with_options(self, **options: Json) -> Case:
        """The same case with these task parameters set."""
        assert self.options is not None
        return replace(self, options=self.options.changed(**options))

    def with_arguments(self, **arguments: Json) -> Case:
        """The same case with these builder arguments set."""
        return replace(self, arguments=tuple(sorted({**dict(self.arguments), **arguments}.items())))

    def for_task(self, task: str, **changes: Json) -> Case:
        """The same conditions asked of another task; of the options it keeps what both have and what says something."""
        own, kind = self.options, task_named(task)
        shared = {name: getattr(own, name, None) for name in kind.options.model_fields}
        said = {name: value for name, value in shared.items() if value is not None}
        options = kind.options.parse({**said, **changes.pop("options", {})})
        return replace(self, task=task, options=options, **changes)

    @property
    def predicts(self) -> bool:
        """Whether the answer depends on what is assumed of a GPU; a search on a GPU only starts there."""
        return isinstance(self.options, Assumptions) and (self.device == "none" or self.task == "savings")

    def factors(self) -> dict[str, Json]:
        """The fields that differ from their defaults, without the place where the data lies."""
        usual = {item.name: item.default for item in fields(self)} | {"modes": self.kind.modes}
        changed = {name: value for name in usual if (value := getattr(self, name)) != usual[name]}
        changed = {name: value for name, value in changed.items() if name not in (*_NOT_IN_KEY, "options")}
        if given := self._options.given():
            changed["options"] = given
        return json.loads(json.dumps(changed))  # type: ignore[no-any-return]

    @property
    def _options(self) -> Options:
        assert self.options is not None
        return self.options

    def key(self, card_hash: str, device_name: str, torch_version: str) -> str:
        """The resume key: equal keys are the same measurement, by this segbench on the same kind of machine."""
        what: list[Json] = [self.factors(), card_hash, device_name, torch_version, package_version("segbench")]
        what += [PREDICTION_MODEL] if self.predicts else []
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]

    def to_json(self) -> dict[str, Json]:
        return {**{item.name: getattr(self, item.name) for item in fields(self)}, "options": self._options.to_json()}

    @classmethod
    def from_json(cls, data: Mapping[str, Json]) -> Case:
        """Inverse of `to_json`; of any version: fields and options that are not known are passed over.

        Raises:
            UserError: a value out of its range.
        """
        known = {item.name for item in fields(cls)}
        values = {name: value for name, value in data.items() if name in known}
        values["modes"] = tuple(values.get("modes", ()))
        values["arguments"] = tuple((name, value) for name, value in values.get("arguments", ()))
        kind = task_recorded(values["task"])
        values |= {"task": kind.name, "options": kind.options.recorded(dict(values.get("options", {})))}
        return cls(**values)


def _frozen(value: Json) -> Json:
    """Lists as tuples, at any depth."""
    if isinstance(value, (list, tuple)):
        return tuple(_frozen(item) for item in value)
    return {name: _frozen(item) for name, item in value.items()} if isinstance(value, dict) else value
