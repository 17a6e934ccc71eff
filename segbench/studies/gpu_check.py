"""What a new GPU is asked first, in the order of value: the stages of `segbench gpu-check`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from segbench.cards.datasets import settled_spec
from segbench.devices.budgets import GPU_BUDGETS, PAPER_GPU
from segbench.devices.capabilities import gpu_assumptions
from segbench.devices.choice import Device
from segbench.records.case import Json
from segbench.records.host import package_version
from segbench.records.options import CAMVID_IMAGES
from segbench.records.reference_model import REFERENCE_MODEL
from segbench.statistics.stopping import StopRule
from segbench.studies.study import Step
from segbench.studies.table2 import BATCH, LARGEST_BATCH_CONDITIONS, PAPER_NFE, TABLE2

_EACH_MODE = (("train",), ("infer",))
_TRAINING = (("train",),)
_TRAINED = "segnode-w8"
_BRIEF = StopRule(min_rounds=2, max_seconds=16.0)
_BUDGET = {"budget_bytes": GPU_BUDGETS[PAPER_GPU].bytes, "warmup": 1}


@dataclass(frozen=True)
class Part:
    """One step asked of some networks."""

    step: Step
    models: tuple[str, ...]


@dataclass(frozen=True)
class CheckStage:
    """What is asked together: what needs no GPU is found beside what does.

    Attributes:
        title: for the plan.
        parts: disjoint.
        seconds: that a case on the GPU is expected to take. Our guess, before any of it has run on one; the command
            corrects it by what its cases take.
    """

    title: str
    parts: tuple[Part, ...]
    seconds: float


@dataclass(frozen=True)
class Scale:
    """How large everything is.

    Attributes:
        networks: of which memory and latency are taken.
        timed: those of them that are also timed in batches, as graphs and compiled.
        searched: whose largest batch is proven first; `later`, those that come when everything else is done.
        pair: rivals, trained alike at batch `pair_batch`.
        others: networks of other kinds, with the fields of their cases.
        size: fields of the input's size.
        batch, other_batch: images of a training step.
        batches: images of an inference.
        rule: of rounds.
        solvers, gradients: of the table of gradients; all that fit if empty.
        streets: fields of the training at the end; `training`, its options.
    """

    networks: tuple[str, ...] = TABLE2.models
    timed: tuple[str, ...] = ("unet", "pspnet", "deeplabv3", "hrnetv2", "baseline", "segnode")
    searched: tuple[str, ...] = (REFERENCE_MODEL, "segnode", "segnode-paper", "unet")
    later: tuple[str, ...] = ("baseline", "deeplabv3", "pspnet", "segnode-low-memory", f"{REFERENCE_MODEL}+checkpoint")
    pair: tuple[str, ...] = (REFERENCE_MODEL, "segnode")
    others: tuple[tuple[str, Mapping[str, Json]], ...] = ()
    size: Mapping[str, int] = field(default_factory=lambda: {"width": 480, "height": 360})
    batch: int = BATCH
    other_batch: int = 8
    pair_batch: int = 16
    batches: tuple[int, ...] = (1, 8)
    rule: StopRule = _BRIEF
    images: int = CAMVID_IMAGES
    solvers: tuple[str, ...] = ("euler", "rk4", "alf", "reversible-heun")
    gradients: tuple[str, ...] = ()
    streets: Mapping[str, Json] = field(
        default_factory=lambda: {"dataset": "synthetic", "width": 240, "height": 180, "batch_size": 8}
    )
    training: Mapping[str, Json] = field(default_factory=lambda: {"minutes": 0.5, "validations": 1})


_BF16, _NHWC = {"precision": "bf16"}, {"channels_last": True}
_ATTENTION = "segbench.zoo.patch_attention:PatchAttention"
OTHER_KINDS: tuple[tuple[str, Mapping[str, Json]], ...] = (
    (_ATTENTION, {}),
    (_ATTENTION, _BF16),
    ("hrnetv2", {**_BF16, **_NHWC}),
    ("deeplabv3", {**_NHWC, "tf32": True}),
    ("unet", {"precision": "fp16"}),
    ("pspnet", {"optimizer": "adamw"}),
    ("baseline+recompute+checkpoint", {}),
    ("segnode", _BF16),
    ("segnode?gradient=checkpoint-stage", {}),
    ("segnode?gradient=reversible&solver=reversible-heun", {}),
)
"""Attention; other arithmetic, layouts, optimizers, memory optimisations, gradients and solvers than Table 2's."""

_ELSEWHERE = {
    "segmentation-models-pytorch": "segmentation_models_pytorch:Segformer?encoder_name=mit_b0&encoder_weights=null",
    "torchvision": "torchvision.models.segmentation:lraspp_mobilenet_v3_large?weights_backbone=null",
}
"""Package -> a network of a kind that is not here, hierarchical attention and depthwise convolutions; if installed."""

SMALL = Scale(
    networks=("segnode-w8",),
    timed=("segnode-w8",),
    searched=("unet-w8",),
    later=(),
    pair=("unet-w8", "segnode-w8"),
    others=(("unet-w8+checkpoint", _BF16),),
    size={"width": 64, "height": 48},
    batch=2,
    other_batch=2,
    pair_batch=2,
    batches=(1,),
    rule=StopRule(target=0.5, min_rounds=1, min_runs=2, max_runs=4, max_seconds=1.0),
    images=4,
    solvers=("euler",),
    gradients=("backprop", "checkpoint-stage"),
    streets={"dataset": "synthetic:count=4,size=64x48", "width": 64, "height": 48, "batch_size": 2},
    training={"steps": 2, "validations": 1},
)
"""On a CPU the same stages are asked in small, to see the command work; its numbers say nothing of a GPU."""


def scale_for(where: Device) -> Scale:
    """Table 2's networks on a GPU, with what is installed beside them; small ones on a CPU."""
    if not where.is_cuda:
        return SMALL
    found = tuple((spec, _NO_FIELDS) for package, spec in _ELSEWHERE.items() if package_version(package))
    return Scale(others=(*OTHER_KINDS, *found))


_NO_FIELDS: Mapping[str, Json] = {}


def missing_packages() -> list[str]:
    """Those that would add a network of another kind."""
    return [package for package in _ELSEWHERE if package_version(package) is None]


def check_stages(where: Device, scale: Scale, runs: str) -> list[CheckStage]:
    """Every stage for a device.

    Args:
        runs: folder in which the training leaves its checkpoints.
    """
    first, *more = scale.batches
    graph, compiled = {"cuda_graph": True}, {"compile": True}
    found = [
        _memory(scale, where),
        _other_kinds(scale, where),
        _largest(scale.searched, scale, where),
        _latency(f"latency at batch {first}", scale.networks, scale, first),
        _training_times(scale),
        *(_latency(f"latency at batch {batch}", scale.timed, scale, batch) for batch in more),
    ]
    if where.is_cuda:
        for batch in scale.batches:
            found.append(_latency(f"latency at batch {batch}, CUDA graph", scale.timed, scale, batch, **graph))
        for batch in scale.batches:
            stage = _latency(f"latency at batch {batch}, compiled", scale.timed, scale, batch, **compiled)
            found.append(replace(stage, seconds=60.0))
    found += [
        _epoch(scale.searched, scale, where),
        _gradients(scale),
        _training(scale, runs),
        _largest(scale.later, scale, where, ", other networks"),
        _epoch(scale.later, scale, where, ", other networks"),
    ]
    return [stage for stage in found if any(part.models for part in stage.parts)]


def _memory(scale: Scale, where: Device) -> CheckStage:
    counted = Step("parameters", "params", device="cpu", fields=scale.size, options={"crosscheck": False},
                   modes=(("infer",),))  # fmt: skip
    fields = {**scale.size, "batch_size": scale.batch}
    parts = (Part(counted, scale.networks), *_predicted_and_measured(scale.networks, fields, where))
    return CheckStage(f"parameters; memory of a training step at batch {scale.batch} and of one inference", parts, 6.0)


def _other_kinds(scale: Scale, where: Device) -> CheckStage:
    asked = [({**scale.size, "batch_size": scale.other_batch, **fields}, (name,)) for name, fields in scale.others]
    parts = [part for fields, names in asked for part in _predicted_and_measured(names, fields, where)]
    return CheckStage(f"memory of networks of other kinds at batch {scale.other_batch}", tuple(parts), 6.0)


def _predicted_and_measured(names: tuple[str, ...], fields: Mapping[str, Json], where: Device) -> tuple[Part, Part]:
    """The prediction is for this very GPU: with its kernels of attention and its cuBLAS workspace."""
    told = {"nfe": PAPER_NFE, **gpu_assumptions(where.title)}
    predicted = Step("predicted", "predict", "alone", "none", {**fields, "warmup": 1}, told, _EACH_MODE)
    measured = Step("measured", "memory", fields={**fields, "warmup": 3}, modes=_EACH_MODE)
    return Part(predicted, names), Part(measured, names)


def _largest(names: tuple[str, ...], scale: Scale, where: Device, whose: str = "") -> CheckStage:
    """Predicted; and proven on a GPU that has as much memory as the paper's."""
    asked: dict[str, Json] = {**scale.size, **_BUDGET}
    told = {"nfe": PAPER_NFE, **gpu_assumptions(where.title)}
    parts = [Part(Step("predicted", "max_batch", "alone", "none", asked, told, _TRAINING), names)]
    if where.is_cuda and (where.memory_bytes is None or where.memory_bytes >= _BUDGET["budget_bytes"]):
        proven = Step("proven", "max_batch", "search", fields=asked, options={"nfe": PAPER_NFE}, modes=_TRAINING)
        parts.append(Part(proven, names))
    return CheckStage(f"largest training batch within {PAPER_GPU}{whose}", tuple(parts), 45.0)


def _latency(title: str, names: tuple[str, ...], scale: Scale, batch: int, **fields: bool) -> CheckStage:
    """With the energy of an image."""
    asked = {**scale.size, "infer_batch": batch, **fields}
    return CheckStage(title, (Part(Step(title, "latency", "rounds", fields=asked, modes=(("infer",),)), names),), 14.0)


def _training_times(scale: Scale) -> CheckStage:
    """Like for like: one batch, one optimizer; their inferences stand beside each other in the latency stages.

    The epoch has one step: another number of images than Table 2's, so that the two never share a table.
    """
    batch = scale.pair_batch
    title = f"training step, {' beside '.join(scale.pair)} at batch {batch}"
    step = _epoch_step(title, {**scale.size, "batch_size": batch}, images=batch)
    return CheckStage(title, (Part(step, scale.pair),), 16.0)


def _epoch(names: tuple[str, ...], scale: Scale, where: Device, whose: str = "") -> CheckStage:
    """At the largest batch that was proven; at batch 1 on a CPU."""
    at = f"the largest batch within {PAPER_GPU}" if where.is_cuda else "batch 1"
    title = f"epoch of {scale.images} images at {at}{whose}"
    step = _epoch_step(title, scale.size, scale.images)
    if where.is_cuda:
        step = replace(step, largest_batch=LARGEST_BATCH_CONDITIONS)
    return CheckStage(title, (Part(step, names),), 20.0)


def _epoch_step(title: str, fields: Mapping[str, Json], images: int) -> Step:
    return Step(title, "epoch", "rounds", fields=fields, options={"images": images}, modes=_TRAINING)


def _gradients(scale: Scale) -> CheckStage:
    title = f"gradient methods of {scale.pair[-1]}"
    options = {"solvers": scale.solvers, "gradients": scale.gradients, "rounds": 2}
    step = Step(title, "gradients", fields={**scale.size, "batch_size": 2}, options=options, modes=_TRAINING)
    return CheckStage(title, (Part(step, scale.pair[-1:]),), 60.0)


def _training(scale: Scale, runs: str) -> CheckStage:
    title = f"training of {_TRAINED} in bf16 on synthetic streets"
    fields = {**scale.streets, **_NHWC, **_BF16, "dataset": settled_spec(str(scale.streets["dataset"]))}
    options = {
        "folder": f"{runs}/{_TRAINED}-synthetic",
        "val_split": "val",
        "cache": "auto",
        "overwrite": True,
        **scale.training,
    }
    step = Step(title, "train", fields=fields, options=options, modes=_TRAINING)
    return CheckStage(title, (Part(step, (_TRAINED,)),), 75.0)
