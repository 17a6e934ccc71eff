"""Claim: predicted live bytes equal a real training step's on the CPU within 0.1 %, for networks of the libraries.

`make test-libraries`, then `~/.cache/segbench/libraries/bin/python benchmarks/library_networks.py [WORD ...]`

Networks of segmentation_models_pytorch, torchvision, transformers, timm and mmsegmentation, each with the loss its
library trains it by, small images, and one of four conditions in turn. Every network is built and run in this process,
since the libraries take longer to import than such a step to run. What is done is in the ledger `-o/ledger.jsonl`: the
same command goes on from there. Ends by writing `networks.md` and `networks.csv` of all that the ledger has, and with 1
if a difference is neither within 0.1 % nor explained. WORDs choose networks by parts of their names; `--table` runs
none.
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from segbench.cards.model import find_model
from segbench.cells.cell import Listener, Result
from segbench.cells.executor import LocalExecutor
from segbench.cells.places import publishable
from segbench.cells.series import plan, run_series
from segbench.present.csv_text import table_csv
from segbench.present.formats import BYTES, PERCENT, Format
from segbench.present.markdown import to_markdown
from segbench.present.table import Column, Table, table_of
from segbench.records.case import Case
from segbench.records.ledger import Entry, Ledger
from segbench.records.measurement import Measurement
from segbench.records.options import PredictOptions
from segbench.tasks.environment import describe
from segbench.tasks.outcome import classify

LIMIT = 0.001
"""Of the relative difference."""
BATCH = 2

CONDITIONS: tuple[dict[str, Any], ...] = (
    {},
    {"precision": "bf16"},
    {"channels_last": True},
    {"optimizer": "adamw"},
)

_SMP = {
    "Unet UnetPlusPlus MAnet Linknet FPN PSPNet PAN DeepLabV3 DeepLabV3Plus UPerNet Segformer": (
        "resnet18 mobilenet_v2 efficientnet-b0 tu-regnety_002"
    ),
    "DPT": "tu-vit_tiny_patch16_224 tu-vit_tiny_r_s16_p8_224 tu-deit_tiny_patch16_224 tu-vit_small_patch32_224",
}
"""Architectures -> encoders; DPT reads transformers alone."""

_TORCHVISION = """deeplabv3_mobilenet_v3_large?aux_loss=true deeplabv3_resnet50?aux_loss=true deeplabv3_resnet101
fcn_resnet50?aux_loss=true fcn_resnet101 lraspp_mobilenet_v3_large"""

_SMALL = "num_attention_heads=2&hidden_size=64&intermediate_size=128"
_LAYERS = f"num_hidden_layers=4&{_SMALL}"
"""Of a configuration: quick, and the same operators."""
_TRANSFORMERS = f"""SegformerForSemanticSegmentation BeitForSemanticSegmentation?{_LAYERS}&out_indices=[1,2,3,4]
Data2VecVisionForSemanticSegmentation?{_LAYERS}&out_indices=[1,2,3,4] DPTForSemanticSegmentation?{_SMALL}
MobileNetV2ForSemanticSegmentation MobileViTForSemanticSegmentation MobileViTV2ForSemanticSegmentation
UperNetForSemanticSegmentation MaskFormerForInstanceSegmentation Mask2FormerForUniversalSegmentation
OneFormerForUniversalSegmentation
EomtForUniversalSegmentation?num_hidden_layers=4&num_attention_heads=2&hidden_size=64"""

_TIMM = """convnext_atto?head=fcn mobilenetv3_small_100?head=aspp efficientnet_b0?head=uper resnet18?head=uper
swin_tiny_patch4_window7_224?head=uper vit_tiny_patch16_224?head=fcn regnetx_002?head=segformer-mlp
mobilevit_xs?head=segformer-mlp edgenext_xx_small?head=fcn pvt_v2_b0?head=segformer-mlp"""

_MMSEG = """ann_r50-d8_4xb2-40k_cityscapes-512x1024 apcnet_r50-d8_4xb2-40k_cityscapes-512x1024
bisenetv1_r18-d32_4xb4-160k_cityscapes-1024x1024 bisenetv2_fcn_4xb4-ohem-160k_cityscapes-1024x1024
ccnet_r50-d8_4xb2-40k_cityscapes-512x1024 cgnet_fcn_4xb4-60k_cityscapes-680x680
danet_r50-d8_4xb2-40k_cityscapes-512x1024 ddrnet_23-slim_in1k-pre_2xb6-120k_cityscapes-1024x1024
deeplabv3_r18-d8_4xb2-80k_cityscapes-512x1024 deeplabv3plus_r18-d8_4xb2-80k_cityscapes-512x1024
dmnet_r50-d8_4xb2-40k_cityscapes-512x1024 dnl_r50-d8_4xb2-40k_cityscapes-512x1024
emanet_r50-d8_4xb2-80k_cityscapes-512x1024 encnet_r50-d8_4xb2-40k_cityscapes-512x1024
erfnet_fcn_4xb4-160k_cityscapes-512x1024 fastfcn_r50-d32_jpu_aspp_4xb2-80k_cityscapes-512x1024
fast_scnn_8xb4-160k_cityscapes-512x1024 fcn-d6_r50-d16_4xb2-40k_cityscapes-512x1024
gcnet_r50-d8_4xb2-40k_cityscapes-512x1024 fcn_hr18s_4xb2-40k_cityscapes-512x1024
icnet_r18-d8_4xb2-160k_cityscapes-832x832 isanet_r50-d8_4xb2-40k_cityscapes-512x1024
knet-s3_r50-d8_fcn_8xb2-adamw-80k_ade20k-512x512 mobilenet-v2-d8_deeplabv3_4xb2-80k_cityscapes-512x1024
mobilenet-v3-d8-s_lraspp_4xb4-320k_cityscapes-512x1024 nonlocal_r50-d8_4xb2-40k_cityscapes-512x1024
ocrnet_hr18s_4xb2-40k_cityscapes-512x1024 pidnet-s_2xb6-120k_1024x1024-cityscapes
pointrend_r50_4xb2-80k_cityscapes-512x1024 psanet_r50-d8_4xb2-40k_cityscapes-512x1024
pspnet_r18-d8_4xb2-80k_cityscapes-512x1024 segformer_mit-b0_8xb2-160k_ade20k-512x512
segmenter_vit-t_mask_8xb1-160k_ade20k-512x512 segnext_mscan-t_1xb16-adamw-160k_ade20k-512x512
fpn_r50_4xb2-80k_cityscapes-512x1024 stdc1_4xb12-80k_cityscapes-512x1024
swin-tiny-patch4-window7-in1k-pre_upernet_8xb2-160k_ade20k-512x512
twins_pcpvt-s_uperhead_8xb4-160k_ade20k-512x512 unet-s5-d16_fcn_4xb4-160k_cityscapes-512x1024
upernet_r18_4xb2-40k_cityscapes-512x1024 vit_deit-s16_upernet_8xb2-160k_ade20k-512x512
maskformer_r50-d32_8xb2-160k_ade20k-512x512 mask2former_r50_8xb2-160k_ade20k-512x512"""

USUAL = (160, 128)
SIZES = {
    "smp:DPT": (224, 224),
    "timm:swin": (224, 224),
    "timm:vit": (224, 224),
    "timm:mobilevit": (128, 128),
    "unet-s5": (128, 128),
    "lraspp_4xb4": (400, 400),
    "Beit": (128, 128),
    "Data2Vec": (128, 128),
    "DPTFor": (128, 128),
    "Eomt": (128, 128),
}
"""Beginnings or parts of names -> (width, height) of images, where it is not the usual."""


def names() -> Iterator[str]:
    """Every network, as for `--model`."""
    for architectures, encoders in _SMP.items():
        for architecture, encoder in itertools.product(architectures.split(), encoders.split()):
            yield f"smp:{architecture}?encoder_name={encoder}"
    for library, listed in {
        "torchvision": _TORCHVISION,
        "transformers": _TRANSFORMERS,
        "timm": _TIMM,
        "mmseg": _MMSEG,
    }.items():
        yield from (f"{library}:{name}" for name in listed.split())


def cases(words: Sequence[str] = ()) -> Iterator[Case]:
    """A training step of every network whose name has one of the words, in one condition after the other."""
    for name, changes in zip(names(), itertools.cycle(CONDITIONS), strict=False):
        if not words or any(word in name for word in words):
            width, height = next((size for part, size in SIZES.items() if part in name), USUAL)
            fields = {"width": width, "height": height, "batch_size": BATCH, "modes": ("train",), "warmup": 1}
            yield Case("memory", name, **fields, **changes)  # type: ignore[arg-type]


def predicted(case: Case) -> Case:
    """The same step, foreseen."""
    return replace(case, task="predict", device="none", options=PredictOptions(target="cpu"))


@dataclass
class Kept:
    """A reporter that keeps what it hears."""

    measurements: list[Measurement] = field(default_factory=list)

    def measured(self, measurement: Measurement) -> None:
        self.measurements.append(measurement)

    def progress(self, stage: str, done: int, total: int, **extra: Any) -> None: ...

    def note(self, sentence: str) -> None: ...


def in_this_process(case: Case, timeout_s: float, listen: Listener) -> Result:  # noqa: ARG001
    """As a child would answer; the libraries are imported once for all."""
    kept, start = Kept(), time.monotonic()
    outcome, cause = "ok", None
    environment = describe(case)
    try:
        with warnings.catch_warnings(action="ignore"):
            importlib.import_module(f"segbench.tasks.{case.task}").run(case, kept)
    except Exception as error:  # whatever a library raises is this network's outcome
        outcome, cause = classify(error), f"{type(error).__name__}: {error}".partition("\n")[0]
    seconds = time.monotonic() - start
    return Result(case, outcome, cause, environment, tuple(kept.measurements), seconds)


@dataclass(frozen=True)
class Comparison:
    """A network's two answers; None for one that there is not, with the reason.

    Attributes:
        activations: share of the predicted peak that is neither parameters, gradients nor optimizer state.
    """

    name: str
    conditions: str
    predicted: int | None
    real: int | None
    activations: float | None
    cause: str

    @property
    def difference(self) -> float | None:
        return None if self.predicted is None or self.real is None else self.predicted / self.real - 1

    @property
    def agrees(self) -> bool:
        return self.difference is not None and abs(self.difference) <= LIMIT


def compared(real: Entry, foreseen: Entry) -> Comparison:
    """Of one network."""
    measured, traced = (_live(entry) for entry in (real, foreseen))
    parts: dict[str, int] = traced.detail["breakdown"] if traced else {}
    whole = sum(parts.values())
    held = sum(parts.get(role, 0) for role in ("parameters", "gradients", "optimizer state"))
    return Comparison(
        name=real.case.model,
        conditions=_described(real.case),
        predicted=int(traced.value) if traced and traced.value else None,
        real=int(measured.value) if measured and measured.value else None,
        activations=1 - held / whole if whole else None,
        cause="; ".join(dict.fromkeys(filter(None, (real.cause, foreseen.cause)))),
    )


def _live(entry: Entry) -> Measurement | None:
    return next((item for item in entry.measurements if item.quantity == "train_peak_live_bytes"), None)


def _described(case: Case) -> str:
    optimizer = case.optimizer if case.optimizer != "sgd" else None
    words = [case.precision, "channels last" if case.channels_last else None, optimizer]
    return ", ".join([f"{case.width}x{case.height}", *filter(None, words)])


EXPLAINED = {
    "mmseg:dmnet": "its code takes `view` of a map, which torch refuses of channels last",
    "mmseg:psanet": "calls psamask_forward, an operator that mmcv-lite does not have",
    "mmseg:maskformer": "needs mmdet",
    "mmseg:mask2former": "needs mmdet",
}
"""Begin of a network's name -> why its prediction differs, or why it does not run here."""


def reason(item: Comparison) -> str:
    """Why a network does not agree; empty where it does, or where nobody knows."""
    if item.agrees:
        return ""
    return next((sentence for begin, sentence in EXPLAINED.items() if item.name.startswith(begin)), "")


_DIFFERENCE = Format("fraction", lambda value: f"{100 * value:+.4f} %")


def table(found: Sequence[Comparison]) -> Table:
    """Every network, those that do not agree first."""
    ordered = sorted(found, key=lambda item: item.agrees)
    columns = [
        "network",
        Column("conditions", left=True),
        Column("predicted", BYTES),
        Column("real", BYTES),
        Column("difference", _DIFFERENCE),
        Column("of it activations", PERCENT),
        Column("why", left=True),
    ]
    rows = [
        [
            item.name,
            item.conditions,
            item.predicted,
            item.real,
            item.difference,
            item.activations,
            reason(item) or ("" if item.agrees else item.cause),
        ]
        for item in ordered
    ]
    agree = sum(item.agrees for item in found)
    notes = [f"{agree} of {len(found)} agree within {100 * LIMIT:g} %; batch {BATCH}, most bytes of tensors alive"]
    return table_of("Predicted and real memory of a training step on the CPU", columns, rows, notes)  # type: ignore[arg-type]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", metavar="WORD")
    parser.add_argument("-o", "--output", type=Path, default=Path("reports/local/library-networks"))
    parser.add_argument("--table", action="store_true", help="only write the tables of what the ledger has")
    options = parser.parse_args()
    if not options.table:
        run(list(cases(options.words)), options.output)
    found = list(in_ledger(options.output))
    result = table(found)
    (options.output / "networks.md").write_text(to_markdown(result), encoding="utf-8")
    (options.output / "networks.csv").write_text(table_csv(result), encoding="utf-8")
    print(*result.notes, sep="\n")
    sys.exit(1 if any(not item.agrees and not reason(item) for item in found) else 0)


def run(asked: Sequence[Case], folder: Path) -> None:
    """Both answers of every case, but for those that the ledger has."""
    with LocalExecutor(in_this_process, workers=1) as executor:
        cells = [
            cell
            for case in asked
            for cell in plan([find_model(case.model)], _always([case, predicted(case)]), executor)
        ]
        for done in run_series(cells, Ledger(folder), executor, 0.0, lambda *_: None, reuse=True):
            entry = done.entry
            print(f"{entry.case.task:8} {entry.outcome:8} {entry.case.model} {entry.cause or ''}", flush=True)


def _always(found: list[Case]) -> Callable[[object], list[Case]]:
    return lambda _: found


def in_ledger(folder: Path) -> Iterator[Comparison]:
    """Every network of the list that the ledger has both answers of, the newest ones."""
    newest = {(entry.case.task, _question(entry.case)): entry for entry in Ledger(folder).entries()}
    for case in cases():
        pair = [newest.get((task, _question(publishable(case)))) for task in ("memory", "predict")]
        if pair[0] and pair[1]:
            yield compared(pair[0], pair[1])


def _question(case: Case) -> tuple[str, int, int]:
    """A network stands in the list once."""
    return case.model, case.width, case.height


if __name__ == "__main__":
    main()
