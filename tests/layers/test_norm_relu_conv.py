from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from segbench.layers.norm_relu_conv import NormReluConv, norm_relu_conv
from segbench.layers.norms import make_norm
from segbench.layers.stage import at_stage


def _pair(**arguments: object) -> tuple[NormReluConv, NormReluConv]:
    """A plain block and its recomputing twin, with parameters far from their start."""
    torch.manual_seed(0)
    plain = NormReluConv(**arguments).double()  # type: ignore[arg-type]
    for parameter in plain.parameters():
        parameter.data.normal_()
    recomputing = copy.deepcopy(plain)
    recomputing.recompute = True
    return plain, recomputing


def _gradients(block: nn.Module, images: Tensor) -> tuple[Tensor, ...]:
    images = images.clone().requires_grad_()
    return torch.autograd.grad(block(images).sin().sum(), [images, *block.parameters()])


@settings(max_examples=20, deadline=None)
@given(
    channels=st.integers(1, 9),
    kernel=st.sampled_from([1, 3]),
    stride=st.integers(1, 2),
    norm=st.sampled_from(["group", "batch"]),
    height=st.integers(2, 7),
    conditioned=st.booleans(),
)
def test_a_thin_block_has_the_output_and_gradients_of_a_plain_one(
    channels: int, kernel: int, stride: int, norm: str, height: int, conditioned: bool
) -> None:
    plain, recomputing = _pair(
        in_channels=channels, out_channels=5, kernel=kernel, stride=stride, norm=norm, time_conditioned=conditioned
    )
    images = torch.randn(2, channels, height, 4, dtype=torch.double)
    assert torch.equal(plain(images), recomputing(images))
    for expected, found in zip(_gradients(plain, images), _gradients(recomputing, images), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_thin_gradients_agree_with_finite_differences() -> None:
    _, recomputing = _pair(in_channels=4, out_channels=3, norm="group", time_conditioned=True)
    images = torch.randn(1, 4, 3, 3, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: recomputing(x, 0.4), (images,))


def _saved_bytes(block: nn.Module, images: Tensor) -> int:
    """Bytes of activations that the graph holds, each storage once."""
    parameters = {parameter.data_ptr() for parameter in block.parameters()}
    storages: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        if tensor.data_ptr() not in parameters:
            storages[tensor.data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        block(images)
    return sum(storages.values())


@pytest.mark.parametrize("norm", ["group", "batch"])
def test_a_thin_block_keeps_its_input_and_nothing_else_of_that_size(norm: str) -> None:
    plain, recomputing = _pair(in_channels=8, out_channels=8, norm=norm)
    images = torch.randn(2, 8, 16, 16, dtype=torch.double)
    size = images.numel() * 8
    assert 2 * size <= _saved_bytes(plain, images) < 2.1 * size
    assert size <= _saved_bytes(recomputing, images) < 1.1 * size


def test_its_backward_pass_leaves_the_running_statistics() -> None:
    plain, recomputing = _pair(in_channels=4, out_channels=4, norm="batch")
    images = torch.randn(3, 4, 5, 5, dtype=torch.double)
    _gradients(plain, images)
    _gradients(recomputing, images)
    for name, value in plain.state_dict().items():
        assert torch.equal(value, recomputing.state_dict()[name]), name


def test_two_forward_passes_before_a_backward_one_do_not_disturb_each_other() -> None:
    plain, recomputing = _pair(in_channels=4, out_channels=4)
    first, second = torch.randn(2, 1, 4, 5, 5, dtype=torch.double)
    found = torch.autograd.grad((recomputing(first) * recomputing(second)).sum(), list(recomputing.parameters()))
    expected = torch.autograd.grad((plain(first) * plain(second)).sum(), list(plain.parameters()))
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


def test_a_frozen_norm_is_recomputed_with_the_statistics_of_its_stage() -> None:
    _, recomputing = _pair(in_channels=4, out_channels=4, norm="batch-per-stage", stages=2)
    recomputing.norm.eval()
    recomputing.norm.running_mean.copy_(torch.randn(2, 4))  # type: ignore[union-attr]
    plain = copy.deepcopy(recomputing)
    plain.recompute = False
    images = torch.randn(2, 4, 3, 3, dtype=torch.double)
    gradients = []
    for block in (plain, recomputing):
        source = images.clone().requires_grad_()
        with at_stage(1):
            output = block(source)
        gradients.append(torch.autograd.grad(output.sin().sum(), source)[0])
    torch.testing.assert_close(*gradients)


def test_evaluation_and_no_grad_are_plain_and_call_the_convolution() -> None:
    _, recomputing = _pair(in_channels=4, out_channels=4)
    calls: list[int] = []
    recomputing.conv.register_forward_hook(lambda *_: calls.append(1))
    images = torch.randn(1, 4, 3, 3, dtype=torch.double)
    with torch.no_grad():
        recomputing(images)
    recomputing.eval()(images)
    assert len(calls) == 2


def test_only_what_wants_a_gradient_gets_one() -> None:
    _, recomputing = _pair(in_channels=4, out_channels=4)
    recomputing.norm.requires_grad_(False)
    output = recomputing(torch.randn(1, 4, 3, 3, dtype=torch.double))
    output.sum().backward()
    assert recomputing.norm.weight.grad is None
    assert recomputing.conv.weight.grad is not None


def test_a_convolution_with_bias_dilation_and_groups_is_differentiated_too() -> None:
    norm = make_norm("group", 6).double()
    conv = nn.Conv2d(6, 4, 3, stride=2, padding=2, dilation=2, groups=2).double()
    images = torch.randn(2, 6, 9, 9, dtype=torch.double, requires_grad=True)
    sources = [images, *norm.parameters(), *conv.parameters()]
    found, expected = (
        torch.autograd.grad(
            norm_relu_conv(images, norm, conv, norm.weight, norm.bias, recompute=recomputing).sin().sum(), sources
        )
        for recomputing in (True, False)
    )
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("norm", ["group", "batch"])
def test_under_autocast_the_convolution_rounds_both_ways_and_parameters_keep_their_dtype(norm: str) -> None:
    plain, recomputing = _pair(in_channels=4, out_channels=4, norm=norm)
    plain, recomputing = plain.float(), recomputing.float()
    images = torch.randn(2, 4, 5, 5)
    outputs, gradients = [], []
    for block in (plain, recomputing):
        with torch.autocast("cpu", torch.bfloat16):
            output = block(images)
        assert output.dtype == torch.bfloat16
        outputs.append(output)
        gradients.append(torch.autograd.grad(output.float().sin().sum(), list(block.parameters())))
    assert torch.equal(*outputs)
    for a, b in zip(*gradients, strict=True):
        assert b.dtype == torch.float32
        torch.testing.assert_close(a, b, rtol=2e-2, atol=2e-2)


def test_a_thin_evaluation_under_autocast_does_not_spoil_a_plain_one_of_the_same_weights() -> None:
    _, block = _pair(in_channels=4, out_channels=4)
    block = block.float()
    images = torch.randn(1, 4, 3, 3)
    with torch.autocast("cpu", torch.bfloat16):
        block(images)
        block.recompute = False
        output = block(images)
    (gradient,) = torch.autograd.grad(output.float().square().sum(), [block.conv.weight])
    assert gradient.abs().sum() > 0


def test_it_works_on_meta() -> None:
    with torch.device("meta"):
        block = NormReluConv(8, 4, 3, 2, recompute=True)
        images = torch.empty(2, 8, 9, 7, requires_grad=True)
    output = block(images)
    output.sum().backward()
    assert output.shape == (2, 4, 5, 4)
    assert images.grad is not None and images.grad.shape == images.shape
