"""Programs that name their device, or ask for one, are traced as if there were a GPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from segbench.estimate.attention_backends import Kernels
from segbench.estimate.program import is_cuda
from segbench.estimate.step import trace_step
from tests.estimate.test_step import CLASSES, Work, births, real_peak, traced


class Adding(nn.Module):
    """Adds what a function makes for the features."""

    def __init__(self, made: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.stem, self.head = nn.Conv2d(3, 8, 1), nn.Conv2d(8, CLASSES, 1)
        self.made = made

    def forward(self, images: Tensor) -> Tensor:
        features = self.stem(images)
        return self.head(features + self.made(features))  # type: ignore[no-any-return]


def usual_device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


ON_A_GPU: dict[str, Callable[[Tensor], Any]] = {
    "named in a factory": lambda x: torch.zeros(x.shape, device="cuda"),
    "named with its number": lambda x: torch.zeros(x.shape, device="cuda:0"),
    "moved by name": lambda x: torch.zeros(x.shape, device=x.device).to("cuda"),
    "moved by number": lambda x: torch.zeros(x.shape, device=x.device).to(0),
    "moved by method": lambda x: torch.zeros(x.shape, device=x.device).cuda(),
    "new of a tensor": lambda x: x.new_zeros(x.shape, device="cuda"),
    "the usual question": lambda x: torch.zeros(x.shape, device=usual_device()),
    "a question to the tensor": lambda x: torch.zeros(x.shape, device="cuda" if x.is_cuda else "cpu"),
    "the number of the present one": lambda x: torch.zeros(x.shape, device=torch.cuda.current_device()),
}


@pytest.mark.parametrize("habit", ON_A_GPU)
def test_a_network_that_counts_on_a_gpu_is_predicted(habit: str) -> None:
    wanted = traced(lambda: Adding(lambda x: torch.zeros(x.shape, device=x.device)))
    found = traced(lambda: Adding(ON_A_GPU[habit]))
    sizes = [item.bytes for item in births(wanted.log) if item.bytes > 32]
    assert [item.bytes for item in births(found.log) if item.bytes > 32] == sizes


def test_the_usual_question_is_answered_on_the_cpu_too() -> None:
    def asking() -> nn.Module:
        return Adding(lambda x: torch.zeros(()).to(usual_device()))

    assert traced(asking, target="cpu").log.peak[1] == pytest.approx(real_peak(asking, "train", 2), abs=32)


def test_a_module_is_moved_to_a_gpu_while_it_is_built() -> None:
    assert traced(lambda: nn.Sequential(nn.Conv2d(3, CLASSES, 1).cuda(), nn.Identity().to("cuda"))).parameters == 12


def test_a_time_grid_named_for_the_gpu_keeps_its_values() -> None:
    def counted(features: Tensor) -> Any:
        return sum(float(step) for step in torch.tensor([1.0, 2.0], device="cuda"))

    assert traced(lambda: Adding(counted)).assumptions == {}


def test_autocast_of_cudas_own_module_is_followed() -> None:
    class Half(Adding):
        def forward(self, images: Tensor) -> Tensor:
            with torch.cuda.amp.autocast(dtype=torch.bfloat16):
                return super().forward(images).float()

    made = {item.dtype for item in births(traced(lambda: Half(lambda x: x)).log)}
    assert "bfloat16" in made


def test_torch_itself_is_told_the_truth() -> None:
    """Whether CUDA is available decides in the optimizer whether a graph is being captured, which asks the driver."""
    asked: list[bool] = []

    def ask(features: Tensor) -> Tensor:
        asked.append(torch.cuda.is_available())
        return features

    before = torch.cuda.is_available()
    traced(lambda: Adding(ask))
    assert asked == [True], "further steps are copied"
    assert torch.cuda.is_available() == before


def test_a_program_is_told_the_capability_that_is_meant() -> None:
    told: list[tuple[int, int]] = []

    def ask(features: Tensor) -> Tensor:
        told.append(torch.cuda.get_device_capability())
        return features

    trace_step(lambda: Work(Adding(ask), "meta"), "infer", 1, kernels=Kernels(capability=(7, 0)))
    assert set(told) == {(7, 0)}


@pytest.mark.parametrize(
    ("device", "is_one"), [("cuda", True), ("cuda:1", True), (0, True), ("cpu", False), (None, False)]
)
def test_devices_that_name_a_gpu(device: Any, is_one: bool) -> None:
    assert is_cuda(device) == is_one


def test_a_layer_over_transposed_rows_adds_its_bias_in_place() -> None:
    class Rows(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.mix = nn.Conv2d(3, 64, 1), nn.Linear(64, 64)

        def forward(self, images: Tensor) -> Tensor:
            features = self.stem(images)
            return self.mix(features.flatten(2).transpose(1, 2)).transpose(1, 2).view_as(features)  # type: ignore[no-any-return]

    assert traced(Rows, "infer", target="cpu").log.peak[1] == pytest.approx(real_peak(Rows, "infer", 2), rel=1e-3)


def test_replaced_functions_take_the_same_keywords() -> None:
    def attended(features: Tensor) -> Tensor:
        rows = features.flatten(2).transpose(1, 2)
        rows = functional.linear(input=rows, weight=torch.zeros(8, 8, device=rows.device), bias=rows[0, 0])
        heads = rows.unsqueeze(1)
        mixed = functional.scaled_dot_product_attention(query=heads, key=heads, value=heads, is_causal=True)
        return mixed.squeeze(1).transpose(1, 2).view_as(features)

    assert traced(lambda: Adding(attended)).attention == {"efficient: float32, heads of 8": 1}
