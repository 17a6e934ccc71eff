"""Trust: for every card, narrowed so that a CPU is quick, predicted live bytes equal a real run's within 0.1 %.

The full widths are compared by `benchmarks/prediction_trust.py`.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest
import torch

from segbench.adaptive.run import costs_vary
from segbench.cards.catalogue import card_names
from segbench.cards.model import find_model
from segbench.estimate.step import trace_step
from segbench.meters.live_bytes import measure_live_peaks
from segbench.ode.block import ODEBlock
from segbench.records.case import Case
from segbench.workload.step import build_workload
from segbench.zoo.segblocks import SegBlocks

NARROW_HRNET = {"widths": [4, 8, 16, 32], "stem": 8, "stage1_width": 8}
EXITS = NARROW_HRNET | {"modules": [1, 1, 1], "blocks": 1, "head_width": 8}
NARROW: dict[str, dict[str, Any]] = {
    "UNet": {"width": 4},
    "HRNetV2": NARROW_HRNET,
    "ADPC": EXITS,
    "MESS": EXITS | {"points": [1, 2, 3]},
    "Baseline": {"widths": [4, 8, 16, 32], "stem": 8},
    "SegBlocks": {"block": 64, "width": 4, "decoder_width": 9, "policy_width": 4},
    "SegNode": {"widths": [4, 8, 16, 32], "stem": 8},
    "SegNodeGain": {"widths": [4, 8, 16, 32], "stem": 8},
    "SegNodePoints": {"coarse_arguments": {"widths": [4, 8, 16, 32], "stem": 8}, "state": 8, "hidden": 16, "stem": 4},
    "DeepLabV3": {"depth": 18, "width": 16},
    "PSPNet": {"depth": 18, "pool_width": 16},
    "LayerCascade": {"depth": 18, "widths": [4, 8, 16, 32], "stem": 8, "head_width": 8, "output_stride": 4},
    "LevelSetNode": {"width": 4, "coarse_arguments": {"width": 4}},
    "UNode": {"width": 2},
    "UResNet": {"width": 2},
    "NRD": {"depth": 18, "width": 4, "context_width": 8, "low_width": 4},
    "NodesUNet": {"width": 2},
    "ModelSelection": {"fast_arguments": NARROW_HRNET, "accurate_arguments": NARROW_HRNET},
    "DynamicRouting": {"layers": 4, "width": 4},
}
"""Builder arguments that make a class small and leave its structure."""
NARROW_OCR = {"ocr_width": 8}
LOOSE = {"rtol": 0.03, "atol": 0.03}
"""Of adaptive solvers, for few steps."""
REPEATS = 2


def is_adaptive(card: str) -> bool:
    return find_model(card).card.arguments.get("solver") == "dopri5"


def narrowed(card: str, optimizer: str) -> Case:
    found = find_model(card).card
    builder, ocr = found.builder.rpartition(":")[2], NARROW_OCR if "ocr_width" in found.arguments else {}
    case = Case(task="memory", model=card, width=64, height=64, batch_size=2, infer_batch=2, optimizer=optimizer)
    return case.with_arguments(**NARROW[builder], **ocr, **(LOOSE if is_adaptive(card) else {}))


def real_run(case: Case, mode: str) -> tuple[int, int | None]:
    """Peak of live bytes, and the most evaluations of f that a solve took."""
    work = build_workload(case, "cpu")
    if isinstance(work.network, SegBlocks):  # predicted with all blocks high
        torch.nn.init.constant_(work.network.policy[-1].bias, 1e3)

    def step() -> None:
        if mode == "train":
            work.train_step(*work.make_batch(2))
        else:
            work.infer(work.make_batch(2)[0])

    peak = measure_live_peaks(work.network, step, REPEATS)[-1].live
    counts = [block.nfe_forward for block in work.network.modules() if isinstance(block, ODEBlock)]
    return peak, round(max(counts) / REPEATS) if counts else None


ADAPTIVE = [card for card in card_names() if is_adaptive(card)]
FIXED = [card for card in card_names() if not is_adaptive(card)]


def structure(card: str) -> str:
    """Equal for cards that are the same network once narrowed; one of them is run for all."""
    found = find_model(card).card
    narrow = NARROW[found.builder.rpartition(":")[2]]
    return json.dumps([found.builder, {**found.arguments, **narrow}], sort_keys=True)


REPRESENTATIVES = {structure(card): card for card in card_names()}


@cache
def predicted_and_real(card: str, mode: str, optimizer: str) -> tuple[int, int]:
    case = narrowed(card, optimizer)
    if mode == "infer" and costs_vary(build_workload(case, "meta").network):
        pytest.skip("what an inference costs depends on its images")
    predicted = trace_step(lambda: build_workload(case, "meta"), mode, 2, target="cpu").log.peak[1]
    return predicted, real_run(case, mode)[0]


@pytest.mark.parametrize(
    ("mode", "optimizer"), [("train", "sgd"), ("train", "adamw"), ("train", "muon"), ("infer", "none")]
)
@pytest.mark.parametrize("card", FIXED)
def test_predicted_live_bytes_equal_a_real_run(card: str, mode: str, optimizer: str) -> None:
    predicted, real = predicted_and_real(REPRESENTATIVES[structure(card)], mode, optimizer)
    assert predicted == pytest.approx(real, rel=1e-3)


@pytest.mark.parametrize("card", ADAPTIVE)
def test_an_adaptive_solvers_live_bytes_follow_from_the_evaluations_it_took(card: str) -> None:
    """Inference only: tens of thousands of operators. `test_pace` has the training of a small one."""
    case = narrowed(card, "none")
    real, nfe = real_run(case, "infer")
    predicted = trace_step(lambda: build_workload(case, "meta"), "infer", 2, target="cpu", nfe=nfe).log.peak[1]
    assert predicted == pytest.approx(real, rel=1e-3)
