"""A case: everything that decides what one cell measures, frozen so that it can be a key."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from segbench.errors import UserError
from segbench.records.host import package_version

Json = Any
"""Whatever `json` can carry: None, bool, int, float, str, lists and string-keyed dicts of these."""

PRECISIONS = ("fp32", "bf16", "fp16")
_SWITCHES = ("channels_last", "tf32", "cudnn_benchmark", "compile")


@dataclass(frozen=True)
class Case:
    """One network under one set of conditions; equal cases are the same measurement.

    Attributes:
        task: what is measured, the name of a module of `segbench.tasks`.
        model: a card's name, `card.toml`, `file.py:Name` or `package.module:Name`.
        arguments: builder arguments that replace the card's, as sorted (name, value) pairs; lists become tuples.
        device: `cpu`, `cuda`, `cuda:N`, or `none` (nothing runs: predicted).
        width, height: input size in pixels, both networks' input and labels.
        batch_size: images per training step.
        infer_batch: images per inference.
        modes: of `train` and `infer`, what is to be measured.
        classes: classes of the output.
        precision: `fp32`, `bf16` or `fp16` (the latter two under autocast).
        optimizer: `sgd`, `adamw`, `muon` or `none`; None takes the card's recipe.
        dataset, data_root, split: real images instead of random ones; data_root never enters the key.
        seed: of weights, inputs and order.
        threads: CPU threads of the child; None leaves torch's default, which the child records.
        budget_bytes: memory that must not be exceeded, for the searches.
        warmup: steps or calls before measuring starts.
        output: which of several outputs is the answer, by name or number; None: by convention.
        aux_weight: of every other output in the loss; None: the usual 0.4.
        options: the task's own parameters, as sorted (name, value) pairs.
    """

    task: str
    model: str
    arguments: tuple[tuple[str, Json], ...] = ()
    device: str = "cpu"
    width: int = 480
    height: int = 360
    batch_size: int = 1
    infer_batch: int = 1
    modes: tuple[str, ...] = ("train", "infer")
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
    output: str | None = None
    aux_weight: float | None = None
    options: tuple[tuple[str, Json], ...] = field(default=())

    def __post_init__(self) -> None:
        for name in ("width", "height", "batch_size", "infer_batch", "classes"):
            if getattr(self, name) < 1:
                raise UserError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if self.precision not in PRECISIONS:
            raise UserError(f"precision {self.precision!r} is not one of {', '.join(PRECISIONS)}")
        if self.aux_weight is not None and not 0 <= self.aux_weight < math.inf:
            raise UserError(f"aux_weight is {self.aux_weight}; it must be a number from 0")
        for name in ("arguments", "options"):  # a case that went through JSON equals the one that did not
            object.__setattr__(self, name, tuple((key, _frozen(value)) for key, value in getattr(self, name)))

    def __hash__(self) -> int:
        """Of the JSON form, so that values may hold dicts."""
        return hash(json.dumps(self.to_json(), sort_keys=True))

    @property
    def switches(self) -> tuple[str, ...]:
        """Names of the switches that are on, beside the precision."""
        return tuple(name for name in _SWITCHES if getattr(self, name))

    def option(self, name: str, default: Json = None) -> Json:
        """One of the task's own parameters."""
        return dict(self.options).get(name, default)

    def with_options(self, **options: Json) -> Case:
        """The same case with these task parameters set."""
        return replace(self, options=_pairs({**dict(self.options), **options}))

    def with_arguments(self, **arguments: Json) -> Case:
        """The same case with these builder arguments set."""
        return replace(self, arguments=_pairs({**dict(self.arguments), **arguments}))

    def factors(self) -> dict[str, Json]:
        """The fields that differ from their defaults, without the place where the data lies."""
        changed = {}
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name != "data_root" and value != item.default:
                changed[item.name] = value
        return json.loads(json.dumps(changed))  # type: ignore[no-any-return]

    def key(self, card_hash: str, device_name: str, torch_version: str) -> str:
        """The resume key: equal keys are the same measurement, by this segbench on the same kind of machine."""
        what = [self.factors(), card_hash, device_name, torch_version, package_version("segbench")]
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]

    def to_json(self) -> dict[str, Json]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Json]) -> Case:
        """Inverse of `to_json`; fields a newer version added are ignored.

        Raises:
            UserError: a value out of its range.
        """
        known = {item.name for item in fields(cls)}
        values = {name: value for name, value in data.items() if name in known}
        if "modes" in values:
            values["modes"] = tuple(values["modes"])
        return cls(**values)


def _pairs(mapping: Mapping[str, Json]) -> tuple[tuple[str, Json], ...]:
    return tuple(sorted(mapping.items()))


def _frozen(value: Json) -> Json:
    """Lists as tuples, at any depth."""
    if isinstance(value, (list, tuple)):
        return tuple(_frozen(item) for item in value)
    return {name: _frozen(item) for name, item in value.items()} if isinstance(value, dict) else value
