"""Multiply-accumulates of fused kernels and renamed products, against counts made by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from segbench.meters.operation_rules import macs_of, may_multiply
from segbench.meters.operations import Operations, count_operations
from segbench.meters.operations_crosscheck import count_with_torch

aten = torch.ops.aten

TOKENS, WIDTH, HEADS = 12 * 8, 32, 4
PROJECTED = TOKENS * 4 * WIDTH**2
ATTENDED = 2 * TOKENS**2 * WIDTH


def count(run: Callable[[], object], network: nn.Module | None = None) -> Operations:
    with torch.no_grad():
        return count_operations((network or nn.Identity()).eval(), run)


def tokens(batch: int = 1) -> Tensor:
    return torch.randn(batch, TOKENS, WIDTH)


def empty(*shape: int) -> Tensor:
    return torch.empty(*shape, device="meta")


def test_the_fused_layer_of_a_transformer_counts_its_projections_attention_and_two_linear_layers() -> None:
    layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 2 * WIDTH, batch_first=True)
    images = tokens()
    found = count(lambda: layer(images), layer)
    assert found.macs == {"matmul": PROJECTED + TOKENS * 2 * 2 * WIDTH**2, "attention": ATTENDED}
    assert found.launches == 1, "the fused kernel was not taken: this test says nothing"


def test_fused_multi_head_attention_counts_four_projections_and_two_products() -> None:
    layer = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
    images = tokens(3)
    found = count(lambda: layer(images, images, images, need_weights=False), layer)
    assert found.macs == {"matmul": 3 * PROJECTED, "attention": 3 * ATTENDED}
    assert found.launches == 1, "the fused kernel was not taken: this test says nothing"


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors:UserWarning")
def test_sequences_of_unequal_length_count_their_own_lengths() -> None:
    layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 2 * WIDTH, batch_first=True)
    lengths = (5, 9)
    nested = torch.nested.nested_tensor([torch.randn(length, WIDTH) for length in lengths])
    found = count(lambda: layer(nested), layer)
    assert found.macs["matmul"] == sum(lengths) * 8 * WIDTH**2
    assert found.macs["attention"] == 2 * sum(length**2 for length in lengths) * WIDTH


def test_attention_taken_apart_and_fused_count_the_same() -> None:
    layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 2 * WIDTH, batch_first=True)
    fused = count(lambda: layer(tokens()), layer).total_macs
    with _without_fast_path():
        apart = count(lambda: layer(tokens()), layer).total_macs
    assert fused == apart == count_with_torch(lambda: layer(tokens())).macs


@contextmanager
def _without_fast_path() -> Iterator[None]:
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(True)


@pytest.mark.parametrize(
    ("layer", "gates"),
    [(nn.LSTM, 4), (nn.GRU, 3), (nn.RNN, 1)],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
@pytest.mark.parametrize("directions", [1, 2])
def test_a_recurrent_layer_meets_every_token_with_the_weights_of_inputs_and_of_states(
    layer: type[nn.RNNBase], gates: int, directions: int
) -> None:
    recurrent = layer(WIDTH, 16, batch_first=True, bidirectional=directions == 2)
    found = count(lambda: recurrent(tokens(2)), recurrent)
    assert found.total_macs == 2 * TOKENS * directions * gates * 16 * (WIDTH + 16)


def test_two_stacked_layers_read_the_states_of_both_directions() -> None:
    recurrent = nn.LSTM(WIDTH, 16, num_layers=2, batch_first=True, bidirectional=True)
    found = count(lambda: recurrent(tokens()), recurrent)
    assert found.total_macs == TOKENS * 2 * 4 * 16 * ((WIDTH + 16) + (2 * 16 + 16))


@pytest.mark.parametrize("operator", [aten._cudnn_rnn.default, aten.miopen_rnn.default])
def test_the_kernels_of_gpus_count_all_layers_at_once(operator: object) -> None:
    weights = [torch.empty(64, WIDTH), torch.empty(64, 16), torch.empty(64), torch.empty(64)]
    assert macs_of(operator, (torch.empty(TOKENS, 2, WIDTH), weights, 4), {}, None) == {
        "recurrent": 2 * TOKENS * 64 * (WIDTH + 16)
    }


@pytest.mark.parametrize(
    "name",
    [
        "_scaled_dot_product_flash_attention",
        "_scaled_dot_product_flash_attention_for_cpu",
        "_scaled_dot_product_efficient_attention",
        "_scaled_dot_product_cudnn_attention",
        "_scaled_dot_product_fused_attention_overrideable",
        "_scaled_dot_product_attention_math_for_mps",
        "_triton_scaled_dot_attention",
    ],
)
def test_every_kernel_of_attention_counts_two_products(name: str) -> None:
    """Queries `(2, 4, 5, 8)` and keys `(2, 4, 7, 8)`, values of width 6."""
    operator = getattr(aten, name)
    given = (empty(2, 4, 5, 8), empty(2, 4, 7, 8), empty(2, 4, 7, 6))
    found = macs_of(getattr(operator, operator.overloads()[0]), given, {}, None)
    assert found == {"attention": 2 * 4 * (5 * 7 * 8 + 5 * 7 * 6)}


@pytest.mark.parametrize("name", ["_flash_attention_forward", "_efficient_attention_forward"])
def test_kernels_that_take_tokens_before_heads_count_the_same(name: str) -> None:
    given = (empty(2, 5, 4, 8), empty(2, 7, 4, 8), empty(2, 7, 4, 6))
    assert macs_of(getattr(aten, name).default, given, {}, None) == {"attention": 2 * 4 * (5 * 7 * 8 + 5 * 7 * 6)}


def test_attention_between_two_sequences_counts_both_lengths() -> None:
    found = count(
        lambda: functional.scaled_dot_product_attention(
            torch.randn(1, 2, 5, 8), torch.randn(1, 2, 7, 8), torch.randn(1, 2, 7, 8)
        )
    )
    assert found.total_macs == 2 * 2 * 5 * 7 * 8


@pytest.mark.parametrize(
    ("product", "macs"),
    [
        (lambda: torch.addbmm(torch.ones(2, 4), torch.ones(5, 2, 3), torch.ones(5, 3, 4)), 5 * 2 * 3 * 4),
        (lambda: torch.ones(2, 4).addmm_(torch.ones(2, 3), torch.ones(3, 4)), 2 * 3 * 4),
        (lambda: torch.ones(5, 2, 4).baddbmm_(torch.ones(5, 2, 3), torch.ones(5, 3, 4)), 5 * 2 * 3 * 4),
        (lambda: torch.mm(torch.ones(2, 3), torch.ones(3, 4), out=torch.empty(2, 4)), 2 * 3 * 4),
        (lambda: torch.vdot(torch.ones(7), torch.ones(7)), 7),
        (lambda: torch.mv(torch.ones(3, 4), torch.ones(4)), 3 * 4),
        (lambda: torch.einsum("nchw,cd->ndhw", torch.ones(1, 3, 2, 2), torch.ones(3, 5)), 4 * 3 * 5),
        (lambda: torch.cdist(torch.ones(1, 30, 4), torch.ones(1, 40, 4)), 30 * 40 * 4),
        (lambda: functional.bilinear(torch.ones(2, 3), torch.ones(2, 4), torch.ones(5, 3, 4)), 2 * 5 * (3 * 4 + 4)),
        (lambda: functional.conv1d(torch.ones(1, 3, 10), torch.ones(4, 3, 3), padding=1), 4 * 10 * 3 * 3),
        (lambda: functional.conv3d(torch.ones(1, 2, 4, 4, 4), torch.ones(3, 2, 1, 1, 1)), 3 * 64 * 2),
    ],
)
def test_matrix_products_under_other_names_count(product: Callable[[], object], macs: int) -> None:
    found = count(product)
    assert (found.total_macs, found.doubtful) == (macs, {})


def test_a_forward_in_inference_mode_counts_the_same() -> None:
    """There PyTorch's operators arrive whole, `linear` and `conv2d` among them."""
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 6 * 6, 5))

    def run() -> None:
        with torch.inference_mode():
            network(torch.ones(1, 3, 8, 8))

    assert count(run, network).macs == {"convolution": 4 * 36 * 27, "matmul": 4 * 36 * 5}


def own_operator() -> Callable[[Tensor, Tensor], Tensor]:
    @torch.library.custom_op("segbench_tests::pointwise_convolution", mutates_args=())
    def convolve(images: Tensor, weight: Tensor) -> Tensor:
        return functional.conv2d(images, weight)

    return convolve


def test_an_operator_outside_pytorch_is_named_as_uncounted() -> None:
    operator, images, weight = own_operator(), torch.ones(1, 3, 4, 4), torch.ones(2, 3, 1, 1)
    found = count(lambda: operator(images, weight))
    assert found.total_macs == 0
    assert found.uncounted == found.doubtful == {"segbench_tests.pointwise_convolution": 1}
    assert (found.launches, found.activation_bytes) == (1, 2 * 16 * 4)


def test_operators_that_only_join_or_scale_are_not_in_doubt() -> None:
    def run() -> None:
        image = torch.ones(1, 4, 4, 4)
        scaled = functional.batch_norm(image, torch.zeros(4), torch.ones(4), torch.ones(4), torch.zeros(4))
        torch.where(scaled > 0, scaled * image, torch.cat([image, scaled]).sum())

    assert count(run).doubtful == {}


def test_a_product_without_a_rule_is_in_doubt() -> None:
    samples, grid = torch.ones(1, 1, 4, 4), torch.zeros(1, 4, 4, 2)
    assert may_multiply(aten.grid_sampler_2d.default, (samples, grid, 0, 0, False))
    assert "grid_sampler_2d" in count(lambda: functional.grid_sample(samples, grid, align_corners=False)).doubtful
