"""Every shortcut gives what torch's own shape functions give: shapes, strides and dtypes."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch

from segbench.estimate.operators import tensors_in
from segbench.estimate.shortcuts import SHORTCUTS, ShortcutsOnMeta, answer_without_running
from segbench.meters.operations import count_operations
from segbench.records.case import Case
from segbench.workload.step import build_workload

aten = torch.ops.aten
IMAGES = torch.empty(2, 8, 6, 5, device="meta")
HALF = torch.empty(2, 8, 6, 5, device="meta", dtype=torch.bfloat16)
CHANNELS = torch.empty(8, device="meta")
GROUPS = torch.empty(2, 4, device="meta")
NUMBER = torch.empty((), device="meta", dtype=torch.float64)
TRUTH = torch.empty(2, 1, 1, 1, device="meta", dtype=torch.bool)
INTEGERS = torch.empty(3, device="meta", dtype=torch.int64)
COMPLEX = torch.empty(3, device="meta", dtype=torch.complex64)
ALL = [True, True, True]

CASES: list[tuple[Any, tuple[Any, ...]]] = [
    (aten.relu.default, (IMAGES,)),
    (aten.add.Tensor, (IMAGES, IMAGES)),
    (aten.add.Tensor, (HALF, HALF)),
    (aten.mul.Tensor, (IMAGES, 2.0)),
    (aten.div.Scalar, (IMAGES, 3)),
    (aten.threshold_backward.default, (IMAGES, IMAGES, 0)),
    (aten.sigmoid_backward.default, (IMAGES, IMAGES)),
    (aten.silu.default, (HALF,)),
    (aten.leaky_relu.default, (IMAGES, 0.1)),
    (aten.mul.Tensor, (IMAGES, NUMBER)),
    (aten.mul.Tensor, (NUMBER, IMAGES)),
    (aten.add.Tensor, (NUMBER, NUMBER)),
    (aten.mul.Tensor, (HALF, NUMBER)),
    (aten.pow.Tensor_Scalar, (IMAGES, 2)),
    (aten.pow.Tensor_Scalar, (HALF, -0.5)),
    (aten.lerp.Scalar, (IMAGES, IMAGES, 0.1)),
    (aten.clamp_min.default, (CHANNELS, 1)),
    (aten.minimum.default, (HALF, HALF)),
    (aten.exp.default, (IMAGES,)),
    (aten.mul.Tensor, (IMAGES, CHANNELS.view(8, 1, 1))),
    (aten.mul.Tensor, (CHANNELS.view(8, 1, 1), IMAGES)),
    (aten.mul.Tensor, (IMAGES, TRUTH)),
    (aten.add.Tensor, (IMAGES[:, 2:4], IMAGES[:, :2])),
    (aten.threshold_backward.default, (CHANNELS.view(8, 1, 1).expand(2, 8, 6, 5), IMAGES, 0)),
    (aten.mul.Tensor, (NUMBER.float().expand(2, 3), NUMBER.float().expand(2, 3))),
    (aten.where.self, (IMAGES > 0, IMAGES, NUMBER)),
    (aten.clamp.Tensor, (NUMBER, NUMBER, NUMBER)),
    (aten.rsub.Scalar, (IMAGES, 1)),
    (aten.ones_like.default, (IMAGES[:, :1],)),
    (aten.gt.Tensor, (IMAGES, NUMBER)),
    (aten.eq.Scalar, (INTEGERS, 1)),
    (aten.logical_and.default, (TRUTH, IMAGES)),
    (aten.mean.default, (HALF,)),
    (aten.sum.default, (IMAGES[:, :2],)),
    (aten.sum.dim_IntList, (IMAGES, [-1, 1])),
    (aten.sum.dim_IntList, (IMAGES, [0, 2, 3], True)),
    (aten.sum.dim_IntList, (IMAGES, [])),
    (aten.sum.dim_IntList, (IMAGES, None, True)),
    (aten.mean.dim, (HALF, [2, 3])),
    (aten.all.default, (TRUTH,)),
    (aten.any.default, (TRUTH,)),
    (aten.cat.default, ([IMAGES, IMAGES], 1)),
    (aten.cat.default, ([CHANNELS, CHANNELS, GROUPS.flatten()],)),
    (aten.cat.default, ([HALF, HALF], -1)),
    (aten._foreach_add.Scalar, ([IMAGES, CHANNELS], 1.0)),
    (aten._foreach_mul.List, ([IMAGES, CHANNELS], [IMAGES, CHANNELS])),
    (aten._foreach_sqrt.default, ([IMAGES, CHANNELS],)),
    (aten.native_batch_norm.default, (IMAGES, CHANNELS, CHANNELS, CHANNELS, CHANNELS, True, 0.1, 1e-5)),
    (aten.native_batch_norm.default, (HALF, CHANNELS, CHANNELS, CHANNELS, CHANNELS, True, 0.1, 1e-5)),
    (
        aten.native_batch_norm_backward.default,
        (IMAGES, IMAGES, CHANNELS, CHANNELS, CHANNELS, CHANNELS, CHANNELS, True, 1e-5, ALL),
    ),
    (
        aten.native_batch_norm_backward.default,
        (IMAGES, IMAGES, None, None, None, CHANNELS, CHANNELS, True, 1e-5, [True, False, False]),
    ),
    (aten.native_group_norm.default, (IMAGES, CHANNELS, CHANNELS, 2, 8, 30, 4, 1e-5)),
    (aten.native_group_norm_backward.default, (IMAGES, IMAGES, GROUPS, GROUPS, CHANNELS, 2, 8, 30, 4, ALL)),
    (aten.upsample_bilinear2d.default, (IMAGES, [12, 10], False)),
    (aten.upsample_nearest2d.default, (IMAGES, [12, 10])),
]


def described(output: Any) -> list[tuple[object, ...]]:
    return [(tuple(t.shape), t.stride(), t.dtype, t.device.type) for t in tensors_in((output,))]


@pytest.mark.parametrize(("operator", "args"), CASES, ids=lambda value: str(value) if callable(value) else "")
def test_a_shortcut_answers_as_torch_does(operator: Any, args: tuple[Any, ...]) -> None:
    shortcut = answer_without_running(operator, args, {})
    assert shortcut is not NotImplemented
    assert described(shortcut) == described(operator(*args))


@pytest.mark.parametrize("operator", [aten.add_.Tensor, aten.relu_.default, aten.zero_.default, aten.mul_.Scalar])
def test_an_operator_in_place_gives_its_first_argument(operator: Any) -> None:
    args = (IMAGES, 2) if "Tensor" in str(operator) or "Scalar" in str(operator) else (IMAGES,)
    assert answer_without_running(operator, args, {}) is IMAGES


def test_a_result_that_an_operator_is_given_is_its_result() -> None:
    operator, args = aten.threshold_backward.grad_input, (IMAGES, IMAGES, 0)
    given, other = torch.empty_like(IMAGES), torch.empty_like(CHANNELS)
    assert answer_without_running(operator, args, {"grad_input": given}) is given
    assert operator(*args, grad_input=given) is given
    assert answer_without_running(operator, args, {"grad_input": other}) is NotImplemented, "it is given another shape"


CHANNELS_LAST = IMAGES.to(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    ("operator", "args"),
    [
        (aten.add.Tensor, (IMAGES, HALF)),
        (aten.mul.Tensor, (torch.empty(2, 1, 6, device="meta"), torch.empty(8, 1, device="meta"))),
        (aten.mul.Tensor, (IMAGES.transpose(2, 3), IMAGES.transpose(2, 3))),
        (aten.mul.Tensor, (IMAGES.flatten()[:3], COMPLEX)),
        (aten.mul.Tensor, (IMAGES, 1j)),
        (aten.relu.default, (CHANNELS_LAST,)),
        (aten.mul.Tensor, (INTEGERS, 0.5)),
        (aten.sum.default, (INTEGERS,)),
        (aten.sum.dim_IntList, (CHANNELS_LAST, [1])),
        (aten.all.default, (torch.empty(3, dtype=torch.uint8, device="meta"),)),
        (aten.mean.dim, (IMAGES, [4])),
        (aten.mean.dim, (IMAGES, [1, -3])),
        (aten.sub.Tensor, (IMAGES, torch.zeros(8, 1, 1))),
        (aten.gt.Tensor, (torch.zeros(2, 8, 6, 5), IMAGES)),
        (aten.cat.default, ([IMAGES, torch.zeros(2, 8, 6, 5)],)),
        (aten.cat.default, ([IMAGES, IMAGES[:, :, 1:]], 1)),
        (aten.cat.default, ([IMAGES, IMAGES], 4)),
        (aten.cat.default, ([IMAGES, IMAGES[0]], 0)),
        (aten.cat.default, ([IMAGES, HALF],)),
        (aten.cat.default, ([IMAGES, torch.empty(0, device="meta")],)),
        (aten.cat.default, ([CHANNELS, torch.empty(0, device="meta")],)),
        (aten.cat.default, ([CHANNELS_LAST, CHANNELS_LAST],)),
        (aten.native_batch_norm.default, (CHANNELS_LAST, None, None, None, None, True, 0.1, 1e-5)),
        (aten.upsample_bilinear2d.default, (CHANNELS_LAST, [12, 10], False)),
        (aten.convolution.default, (IMAGES,)),
    ],
    ids=lambda value: str(value) if callable(value) else "",
)
def test_what_is_not_plain_is_left_to_torch(operator: Any, args: tuple[Any, ...]) -> None:
    assert answer_without_running(operator, args, {}) is NotImplemented


def test_only_what_is_overwritten_is_given_back() -> None:
    for operator, shortcut in SHORTCUTS.items():
        gives_back = shortcut.__name__ in ("_first", "_nothing")
        assert operator._schema.is_mutable == gives_back


@pytest.mark.parametrize("card", ["unet-w8", "segnode-w8", "hrnetv2-small", "nrd-small"])
def test_operations_are_counted_with_shortcuts_as_on_the_cpu(card: str) -> None:
    case = Case("params", card, device="none", width=96, height=64, classes=11)
    counts = []
    for device in ("meta", "cpu"):
        workload = build_workload(case, device)
        images, _ = workload.make_batch(1)
        with ShortcutsOnMeta():
            counts.append(count_operations(workload.network, partial(workload.infer, images)))
    assert counts[0] == counts[1]


def test_shortcuts_leave_other_devices_alone() -> None:
    with ShortcutsOnMeta():
        assert torch.add(torch.ones(2), 1).tolist() == [2, 2]
        assert torch.add(torch.ones(2, device="meta"), 1).is_meta
        assert torch.cat([torch.ones(1), torch.zeros(1)]).tolist() == [1, 0]
