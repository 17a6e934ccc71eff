"""Attention of every kind against real runs on the CPU, and on CUDA against what torch documents of each kernel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from segbench.estimate.attention_backends import Backend, Kernels
from segbench.estimate.log import Storage
from segbench.estimate.step import Traced, trace_step
from tests.estimate.test_step import CLASSES, SIZE, Work, births, real_peak, traced

WIDTH, HEADS = 32, 4
TOKENS = SIZE[0] * SIZE[1] // 16


class OverTokens(nn.Module):
    """Pixels become tokens `(N, L, WIDTH)`, which a part of the subclass's mixes."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = nn.Conv2d(3, WIDTH, 4, 4), nn.ConvTranspose2d(WIDTH, CLASSES, 4, 4)

    def mix(self, tokens: Tensor) -> Tensor:
        raise NotImplementedError

    def forward(self, images: Tensor) -> Tensor:
        features = self.stem(images)
        tokens = self.mix(features.flatten(2).transpose(1, 2))
        return self.head(tokens.transpose(1, 2).view_as(features))  # type: ignore[no-any-return]


class Attends(OverTokens):
    """Queries, keys and values by one projection, as in a vision transformer."""

    def __init__(self, layers: int = 2, heads: int = HEADS, **options: Any) -> None:
        super().__init__()
        self.joint = nn.ModuleList(nn.Linear(WIDTH, 3 * WIDTH) for _ in range(layers))
        self.heads, self.options = heads, options

    def mask(self, tokens: Tensor) -> Tensor | None:
        return None

    def split(self, tokens: Tensor) -> list[Tensor]:
        """Query, key and value of the first layer, `(N, HEADS, L, WIDTH / HEADS)`."""
        parts = self.joint[0](tokens).chunk(3, 2)
        return [part.unflatten(2, (HEADS, -1)).transpose(1, 2) for part in parts]

    def mix(self, tokens: Tensor) -> Tensor:
        for layer in self.joint:
            parts = layer(tokens).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
            options = dict(self.options)
            if not self.training:
                options.pop("dropout_p", None)
            mixed = functional.scaled_dot_product_attention(*parts, attn_mask=self.mask(tokens), **options)
            tokens = tokens + mixed.transpose(1, 2).flatten(2)
        return tokens


class Contiguous(Attends):
    """Heads lie one after the other in memory, so that the result's layout decides whether `flatten` copies."""

    def mix(self, tokens: Tensor) -> Tensor:
        parts = [part.contiguous() for part in self.split(tokens)]
        return functional.scaled_dot_product_attention(*parts).transpose(1, 2).flatten(2) + tokens  # type: ignore[no-any-return]


class Masked(Attends):
    def mask(self, tokens: Tensor) -> Tensor:
        return torch.ones(TOKENS, TOKENS, dtype=torch.bool, device=tokens.device)


class Biased(Attends):
    """Adds a learnt number to every entry of the attention matrix."""

    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(HEADS, TOKENS, TOKENS))

    def mask(self, tokens: Tensor) -> Tensor:
        return self.bias


class Reduced(Attends):
    """Keys and values of fewer tokens, as in SegFormer and PVT."""

    def mix(self, tokens: Tensor) -> Tensor:
        query, key, value = self.split(tokens)
        mixed = functional.scaled_dot_product_attention(query, key[:, :, ::4], value[:, :, ::4])
        return mixed.transpose(1, 2).flatten(2) + tokens


class Grouped(Attends):
    def mix(self, tokens: Tensor) -> Tensor:
        query, key, value = self.split(tokens)
        mixed = functional.scaled_dot_product_attention(query, key[:, :2], value[:, :2], enable_gqa=True)
        return mixed.transpose(1, 2).flatten(2) + tokens


class Multihead(OverTokens):
    def __init__(self, need_weights: bool = True, **options: Any) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True, **options)
        self.need_weights = need_weights

    def mix(self, tokens: Tensor) -> Tensor:
        return tokens + self.attention(tokens, tokens, tokens, need_weights=self.need_weights)[0]  # type: ignore[no-any-return]


class Encoder(OverTokens):
    def __init__(self, **options: Any) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 2 * WIDTH, batch_first=True, **options)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

    def mix(self, tokens: Tensor) -> Tensor:
        return self.encoder(tokens)  # type: ignore[no-any-return]


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "plain": Attends,
    "causal": lambda: Attends(is_causal=True),
    "dropout": lambda: Attends(dropout_p=0.1),
    "contiguous": Contiguous,
    "mask": Masked,
    "learnt bias": Biased,
    "reduced keys": Reduced,
    "grouped queries": Grouped,
    "multihead": Multihead,
    "multihead without weights": lambda: Multihead(need_weights=False),
    "multihead with dropout": lambda: Multihead(dropout=0.1),
    "encoder": Encoder,
    "encoder, norm first": lambda: Encoder(norm_first=True, activation="gelu"),
}


@pytest.mark.parametrize("mode", ["train", "infer"])
@pytest.mark.parametrize("name", NETWORKS)
def test_predicted_live_bytes_equal_a_real_run(name: str, mode: str) -> None:
    build = NETWORKS[name]
    assert traced(build, mode, batch=3, target="cpu").log.peak[1] == pytest.approx(real_peak(build, mode, 3), rel=1e-3)


class Half(nn.Module):
    """A network under bfloat16 autocast."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        with torch.autocast(images.device.type, torch.bfloat16):
            return self.network(images).float()  # type: ignore[no-any-return]


@pytest.mark.parametrize("mode", ["train", "infer"])
@pytest.mark.parametrize("name", ["plain", "mask", "reduced keys", "multihead", "multihead without weights"])
def test_predicted_live_bytes_equal_a_real_run_in_bfloat16(name: str, mode: str) -> None:
    def build() -> nn.Module:
        return Half(NETWORKS[name]())

    assert traced(build, mode, batch=3, target="cpu").log.peak[1] == pytest.approx(real_peak(build, mode, 3), rel=1e-3)


BATCH = 2
ROW = TOKENS * HEADS * BATCH
"""Rows of all attention matrices of a layer."""


def on_cuda(build: Callable[[], nn.Module], mode: str = "train", kernels: Kernels | None = None) -> Traced:
    return trace_step(lambda: Work(build(), "meta"), mode, BATCH, kernels=kernels)


def made_by(found: Traced, operator: str) -> list[Storage]:
    """What the operator made in the first step."""
    end = found.log.step_window(1)[1]
    numbers = [event - 1 for event in found.log.events[:end] if event > 0]
    return [found.log.storages[number] for number in numbers if found.log.storages[number].operator == operator]


def one_layer() -> nn.Module:
    return Attends(layers=1)


def test_flash_attention_keeps_its_result_a_number_a_row_and_the_random_state() -> None:
    found = on_cuda(lambda: Half(one_layer()))
    assert found.attention == {"flash: bfloat16, heads of 8": 1}, "one layer"
    sizes = [item.bytes for item in made_by(found, "aten._scaled_dot_product_flash_attention")]
    assert sizes == [ROW * 8 * 2, ROW * 4, 16, 8]


def test_the_memory_efficient_kernel_keeps_a_number_a_row_rounded_up_to_32_rows() -> None:
    found = on_cuda(one_layer)
    assert found.attention == {"efficient: float32, heads of 8": 1}
    sizes = [item.bytes for item in made_by(found, "aten._scaled_dot_product_efficient_attention")]
    assert TOKENS == 48
    assert sizes == [ROW * 8 * 4, 64 * HEADS * BATCH * 4, 8, 8]


def test_inference_keeps_no_number_a_row() -> None:
    sizes = [
        item.bytes for item in made_by(on_cuda(one_layer, "infer"), "aten._scaled_dot_product_efficient_attention")
    ]
    assert sizes == [ROW * 8 * 4, 8, 8]


def test_the_formula_keeps_the_attention_matrix() -> None:
    found = on_cuda(one_layer, kernels=Kernels("math"))
    assert found.attention == {"math: float32, heads of 8": 1}
    matrix = ROW * TOKENS * 4
    assert made_by(found, "aten._safe_softmax")[0].bytes == matrix


def test_the_formula_with_dropout_keeps_a_byte_an_entry_of_the_matrix() -> None:
    found = on_cuda(lambda: Attends(layers=1, dropout_p=0.1), kernels=Kernels("math"))
    assert [item.bytes for item in made_by(found, "aten.native_dropout")] == [ROW * TOKENS * 4, ROW * TOKENS]


def test_cudnn_attention_is_taken_on_hopper_in_half_precision() -> None:
    found = on_cuda(lambda: Half(one_layer()), kernels=Kernels(capability=(9, 0)))
    assert found.attention == {"cudnn: bfloat16, heads of 8": 1}


def test_the_backward_pass_of_flash_attention_adds_up_in_float32() -> None:
    """Rows are rounded up to 128 and heads of 8 to 32."""
    found = made_by(on_cuda(lambda: Half(one_layer())), "aten._scaled_dot_product_flash_attention_backward")
    rows = 128 * HEADS * BATCH
    assert [item.bytes for item in found][:2] == [rows * 4, rows * 32 * 4]


def test_an_odd_mask_is_copied_for_the_memory_efficient_kernel() -> None:
    class Odd(Attends):
        def mask(self, tokens: Tensor) -> Tensor:
            return torch.zeros(TOKENS, TOKENS - 2, device=tokens.device)

        def mix(self, tokens: Tensor) -> Tensor:
            query, key, value = self.split(tokens)
            mask = self.mask(tokens)
            mixed = functional.scaled_dot_product_attention(query, key[:, :, :-2], value[:, :, :-2], attn_mask=mask)
            return mixed.transpose(1, 2).flatten(2) + tokens

    found = on_cuda(Odd, "infer")
    assert found.attention == {"efficient: float32, heads of 8": 1}
    assert TOKENS * TOKENS * 4 in [item.bytes for item in made_by(found, "aten.constant_pad_nd")]


def test_memory_grows_with_the_rows_and_no_longer_with_their_square() -> None:
    class Large(Work):
        def make_batch(self, count: int | None = None, /) -> tuple[Tensor, Tensor]:
            return (
                torch.randn(1, 3, 4 * SIZE[0], SIZE[1], device="meta"),
                torch.randint(0, CLASSES, (1, 4 * SIZE[0], SIZE[1]), device="meta"),
            )

    def peak(work: type[Work], kernel: Backend) -> int:
        return trace_step(lambda: work(Attends(layers=8), "meta"), "train", 1, kernels=Kernels(kernel)).log.peak[1]

    assert peak(Large, "efficient") < 4 * peak(Work, "efficient")
    assert peak(Large, "math") > 6 * peak(Work, "math")


def test_a_function_imported_before_the_trace_is_followed_too() -> None:
    early = functional.scaled_dot_product_attention

    class Early(Attends):
        def mix(self, tokens: Tensor) -> Tensor:
            heads = self.joint[0](tokens).unflatten(2, (3, HEADS, -1)).permute(2, 0, 3, 1, 4)
            return early(*heads).transpose(1, 2).flatten(2)

    assert on_cuda(Early).attention == {"efficient: float32, heads of 8": 1}


def test_the_fused_encoder_of_inference_keeps_no_matrix_on_cuda() -> None:
    found = on_cuda(Encoder, "infer")
    assert found.attention == {"efficient: float32, heads of 8": 2}, "two layers"
    operators = {item.operator for item in births(found.log)}
    assert "aten.relu" not in operators, "the activation is part of the product"


def test_attention_weights_that_are_asked_for_are_kept_on_cuda() -> None:
    found = on_cuda(Multihead, "infer")
    assert not found.attention
    assert BATCH * TOKENS * TOKENS * 4 in [item.bytes for item in made_by(found, "aten.sum")], "their mean over heads"
