"""Mixed precision on `meta`: exact against the CPU with its lists; by hand and by registration for CUDA's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from segbench.estimate.autocast import LABEL, autocast_on_meta
from segbench.estimate.cast_lists import LISTS
from segbench.estimate.corrections import Target
from segbench.estimate.step import trace_step
from segbench.meters.live_bytes import measure_live_peaks
from segbench.records.case import Case
from segbench.workload.step import build_workload

BF16, FP32 = torch.bfloat16, torch.float32


@pytest.mark.parametrize("mode", ["train", "infer"])
@pytest.mark.parametrize("card", ["unet-w8", "hrnetv2-small", "segnode-w8", "baseline-w8"])
def test_with_the_cpus_lists_live_bytes_equal_a_real_run(card: str, mode: str) -> None:
    case = Case("memory", card, width=64, height=48, batch_size=2, infer_batch=2, precision="bf16")
    work = build_workload(case, "cpu")

    def step() -> None:
        if mode == "train":
            work.train_step(*work.make_batch(2))
        else:
            work.infer(work.make_batch(2)[0])

    real = measure_live_peaks(work.network, step, 2)[-1].live
    predicted = trace_step(lambda: build_workload(case, "meta"), mode, 2, target="cpu")
    assert predicted.log.peak[1] == pytest.approx(real, rel=1e-3)
    assert LABEL in predicted.warnings


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_halves_need_less_to_train_than_float32(precision: str) -> None:
    case = Case("memory", "unet-w8", width=240, height=180, batch_size=4, precision=precision)
    half = trace_step(lambda: build_workload(case, "meta"), "train", 4).log.peak[1]
    full = trace_step(lambda: build_workload(replace(case, precision="fp32"), "meta"), "train", 4).log.peak[1]
    assert 0.5 < half / full < 0.9


def results(target: Target, run: Any) -> Any:
    told: list[str] = []
    with autocast_on_meta(target, told.append), torch.autocast("meta", BF16):
        return run()


def meta(*shape: int, dtype: torch.dtype = FP32) -> Tensor:
    return torch.empty(shape, device="meta", dtype=dtype)


IMAGES, SCORES = (2, 3, 8, 8), (2, 5, 8, 8)
LABELS = torch.zeros(2, 8, 8, dtype=torch.int64, device="meta")


def test_cudas_casts_by_hand() -> None:
    found = results(
        "cuda",
        lambda: {
            "convolution": functional.conv2d(meta(*IMAGES), meta(4, 3, 1, 1)).dtype,
            "matrix product": (meta(3, 4) @ meta(4, 5)).dtype,
            "up-sampling": functional.interpolate(meta(*IMAGES, dtype=BF16), scale_factor=2, mode="bilinear").dtype,
            "group norm": functional.group_norm(meta(2, 4, 8, 8, dtype=BF16), 2).dtype,
            "batch norm": nn.BatchNorm2d(3, device="meta")(meta(*IMAGES, dtype=BF16)).dtype,
            "rectifier": functional.relu(meta(*IMAGES, dtype=BF16)).dtype,
            "softmax": meta(*SCORES, dtype=BF16).softmax(1).dtype,
            "sum of halves": meta(*SCORES, dtype=BF16).sum().dtype,
            "sum of doubles": meta(3, dtype=torch.float64).sum().dtype,
            "loss": functional.cross_entropy(meta(*SCORES, dtype=BF16), LABELS).dtype,
            "widest": torch.addcmul(meta(3, dtype=BF16), meta(3), meta(3, dtype=BF16)).dtype,
            "doubles": functional.conv2d(meta(*IMAGES).double(), meta(4, 3, 1, 1).double()).dtype,
        },
    )
    halves = {"convolution", "matrix product", "batch norm", "rectifier"}
    doubles = {"sum of doubles", "doubles"}
    assert found == {name: BF16 if name in halves else torch.float64 if name in doubles else FP32 for name in found}


@pytest.mark.parametrize("dtypes", [(FP32, BF16), (BF16, FP32), (BF16, BF16)])
@pytest.mark.parametrize("join", [torch.cat, torch.stack])
def test_the_members_of_a_list_are_brought_to_the_widest_as_on_the_cpu(join: Any, dtypes: Any) -> None:
    with torch.autocast("cpu", BF16):
        real = join([torch.empty(3, dtype=dtype) for dtype in dtypes])
    assert results("cpu", lambda: join([meta(3, dtype=dtype) for dtype in dtypes])).dtype is real.dtype


def test_a_weight_is_rounded_once_until_the_outermost_region_ends() -> None:
    weight = nn.Parameter(meta(4, 3, 1, 1))
    with autocast_on_meta("cuda", lambda _: None):
        with torch.autocast("meta", BF16):
            first = functional.conv2d(meta(*IMAGES), weight).grad_fn
            with torch.autocast("meta", BF16):
                second = functional.conv2d(meta(*IMAGES), weight).grad_fn
        with torch.autocast("meta", BF16):
            third = functional.conv2d(meta(*IMAGES), weight).grad_fn
    rounded = [node.next_functions[1][0] for node in (first, second, third) if node is not None]
    assert rounded[0] is rounded[1]
    assert rounded[2] is not rounded[0]


def test_regions_nest_can_be_shut_and_are_asked_about() -> None:
    with autocast_on_meta("cuda", lambda _: None):
        assert not torch.is_autocast_enabled("meta")
        with torch.autocast("cuda", torch.float16):  # as a network of somebody else's may say
            assert torch.is_autocast_enabled("meta")
            assert torch.get_autocast_dtype("meta") == torch.float16
            with torch.autocast("cuda", enabled=False):
                assert functional.conv2d(meta(*IMAGES), meta(4, 3, 1, 1)).dtype == FP32
            assert functional.conv2d(meta(*IMAGES), meta(4, 3, 1, 1)).dtype == torch.float16
        with torch.autocast("cpu", BF16):
            assert torch.is_autocast_enabled("cpu")
    assert not torch.amp.is_autocast_available("meta")


NAMES = {
    "grid_sampler": "grid_sample",
    "linalg_vector_norm": "vector_norm",
    "linalg_matrix_norm": "matrix_norm",
    "linalg_vecdot": "vecdot",
    "linalg_multi_dot": "multi_dot",
    "native_layer_norm": "layer_norm",
    "nll_loss2d": "nll_loss",
}
"""Functions by the operators behind them, where the names differ."""
INTERNAL = {
    "_convolution", "convolution", "cudnn_convolution", "cudnn_convolution_transpose",
    "_scaled_dot_product_flash_attention", "_thnn_fused_gru_cell", "_thnn_fused_lstm_cell", "gru_cell", "lstm_cell",
    "rnn_relu_cell", "rnn_tanh_cell", "frobenius_norm", "nuclear_norm", "binary_cross_entropy",
}  # fmt: skip
"""Not called by programs, or by recurrent networks only; the last is refused by CUDA's autocast."""


def test_cudas_lists_are_those_that_torch_registers() -> None:
    has = torch._C._dispatch_has_kernel_for_dispatch_key
    registered = {
        name.removeprefix("aten::").partition(".")[0]
        for name in torch._C._dispatch_get_all_op_names()
        if name.startswith("aten::") and has(name, "AutocastCUDA")
    }
    functions = {
        "interpolate" if name.lstrip("_").startswith("upsample") else NAMES.get(name, name)
        for name in registered - INTERNAL
    }
    lists = LISTS["cuda"]
    listed = lists.lower | lists.single | lists.single_result | lists.widest
    synonyms = {"__matmul__", "__rmatmul__", "__pow__", "__rpow__", "upsample", "upsample_bilinear", "upsample_nearest"}
    assert functions <= listed
    assert listed - synonyms <= functions
