"""Table 2 of the paper: memory, time and parameters of six networks on a V100 with 32 GB, CamVid at 480x360."""

from __future__ import annotations

from segbench.devices.budgets import GPU_BUDGETS, PAPER_GPU
from segbench.records.options import CAMVID_IMAGES, USUAL_CONTEXT
from segbench.records.reference_model import REFERENCE_MODEL
from segbench.studies.study import Kind, PaperColumn, Step, Study

BATCH = 24
"""Of the column "memory usage for batch size 24"."""

PAPER_NFE = 14
"""Evaluations of f that a prediction of the adaptive solver assumes: two accepted steps of dopri5. The paper states
none; its test times (2.44 of HRNetV2's) imply 11 if launches bound them and 16 if arithmetic does (our inference), and
our own dopri5 at 1e-3 needs 14 in evaluation mode."""

TABLE2_ROWS = {
    "unet": "U-Net",
    "pspnet": "PSPNet",
    "deeplabv3": "DeepLabv3",
    "hrnetv2": "HRNetV2",
    "baseline": "Baseline",
    "segnode-paper": "SegNode",
}
"""The paper's rows in its order, by the card that stands for each: SegNode's is solved as the paper solved it."""

OURS = {
    "segnode": "SegNode, ours",
    "segnode-low-memory": "SegNode, low memory",
    f"{REFERENCE_MODEL}+checkpoint": "HRNetV2, checkpointed",
}
"""Beside the paper's rows without a verdict: our solvers, and the reference model checkpointed, not in the paper."""

_ASSUMED = {"nfe": PAPER_NFE, "context_bytes": USUAL_CONTEXT}
_SIZE = {"width": 480, "height": 360, "classes": 11, "precision": "fp32", **_ASSUMED}
_TRAINED = {**_SIZE, "batch_size": BATCH}
_TESTED = {**_SIZE, "infer_batch": 1}
_EPOCH = {**_SIZE, "images": CAMVID_IMAGES}
LARGEST_BATCH_CONDITIONS = {**_SIZE, "modes": ("train",), "budget_bytes": GPU_BUDGETS[PAPER_GPU].bytes}
"""Conditions of the largest batch, which the epoch is timed at."""

TABLE2_COLUMNS = (
    PaperColumn("max_batch", "largest batch\n32 GB", "max_batch", conditions=LARGEST_BATCH_CONDITIONS),
    PaperColumn("train_memory", f"training memory\nbatch {BATCH}", "train_peak_reserved_bytes", conditions=_TRAINED),
    PaperColumn("infer_memory", "test memory\none image", "infer_peak_reserved_bytes", conditions=_TESTED),
    PaperColumn("epoch_time", f"epoch\n{CAMVID_IMAGES} images", "epoch_s", conditions=_EPOCH, timed=True),
    PaperColumn("test_time", "test time\none image", "latency_s", conditions=_TESTED, timed=True),
    PaperColumn("parameters", "\nparameters", "parameters", "parameters", {"classes": 11}),
)

DEFINITIONS = ("live", "allocated", "reserved", "process")
"""Of a peak; the paper does not say which it read."""


def steps(kind: Kind) -> list[Step]:
    """Memory, batches and operations, predicted where there is no CUDA GPU; times where something can be timed.

    A CPU times batch 1: the largest batch of a 32 GB GPU would take hours there, and nothing of it would compare.
    """
    asked = _measured_costs() if kind == "cuda" else _predicted_costs()
    counted = Step(
        "parameters and operations of one image", "params", device="cpu", modes=(("infer",),),
        options={"crosscheck": False},
    )  # fmt: skip
    return [*asked, counted, *(_times(kind) if kind != "none" else ())]


_MEMORY = f"peak memory of a training step at batch {BATCH} and of one inference"
_LARGEST = f"largest training batch within {PAPER_GPU}"
_BUDGET = {"budget_bytes": GPU_BUDGETS[PAPER_GPU].bytes, "warmup": 1}
_EACH_MODE = (("train",), ("infer",))


def _predicted_costs() -> list[Step]:
    nfe = {"nfe": PAPER_NFE}
    fields = {"batch_size": BATCH, "warmup": 1}
    return [
        Step(_MEMORY, "predict", "alone", "none", fields, {**nfe, "timeline": True}, _EACH_MODE),
        Step(_LARGEST, "max_batch", device="none", fields=_BUDGET, options=nfe, modes=(("train",),)),
    ]


def _measured_costs() -> list[Step]:
    return [
        Step(_MEMORY, "memory", "alone", fields={"batch_size": BATCH, "warmup": 3}, modes=_EACH_MODE),
        Step(_LARGEST, "max_batch", "search", fields=_BUDGET, options={"nfe": PAPER_NFE}, modes=(("train",),)),
    ]


def _times(kind: Kind) -> list[Step]:
    largest = LARGEST_BATCH_CONDITIONS if kind == "cuda" else None
    images = {"images": CAMVID_IMAGES, "workers": 0}
    epoch = f"time of an epoch at {'the largest batch' if largest else 'batch 1'}"
    return [
        Step("latency of one image", "latency", "rounds", modes=(("infer",),)),
        Step(
            epoch, "epoch", "rounds", options=images, modes=(("train",),), largest_batch=largest
        ),
    ]  # fmt: skip


TABLE2 = Study("table2", "Table 2: what six networks cost", (*TABLE2_ROWS, *OURS), steps)
