"""The trace against sums done by hand and against real runs on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
import torchdiffeq
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import SGD, AdamW, Optimizer
from torch.utils.checkpoint import checkpoint

from segbench.estimate.log import Storage, StorageLog
from segbench.estimate.step import Traced, trace_step
from segbench.meters.live_bytes import measure_live_peaks
from segbench.workload.muon import Muon

CLASSES = 3
SIZE = (24, 32)


@dataclass
class Work:
    """A training step or an inference of any network, on meta or on the CPU."""

    network: nn.Module
    device: str
    optimizer_type: Callable[[Any], Optimizer] = lambda parameters: SGD(parameters, lr=0.1, momentum=0.9)
    optimizer: Optimizer | None = field(init=False)

    def __post_init__(self) -> None:
        self.optimizer = self.optimizer_type(self.network.parameters())

    def make_batch(self, count: int | None = None, /) -> tuple[Tensor, Tensor]:
        count = count or 1
        images = torch.randn(count, 3, *SIZE, device=self.device)
        return images, torch.randint(0, CLASSES, (count, *SIZE), device=self.device)

    def train_step(self, images: Tensor, labels: Tensor) -> None:
        self.network.train()
        self.network.zero_grad(set_to_none=True)
        functional.cross_entropy(self.network(images), labels).backward()
        if self.optimizer is not None:
            self.optimizer.step()

    @torch.no_grad()
    def infer(self, images: Tensor) -> Tensor:
        self.network.eval()
        return self.network(images)  # type: ignore[no-any-return]


def momentum(parameters: Any) -> Optimizer:
    return SGD(parameters, lr=0.1, momentum=0.9, weight_decay=1e-4)


def traced(build: Callable[[], nn.Module], mode: str = "train", batch: int = 2, **options: Any) -> Traced:
    target = options.pop("target", "cuda")
    return trace_step(lambda: Work(build(), "meta", **options), mode, batch, target=target)


def real_peak(build: Callable[[], nn.Module], mode: str, batch: int, **options: Any) -> int:
    work = Work(build(), "cpu", **options)

    def step() -> None:
        images, labels = work.make_batch(batch)
        if mode == "train":
            work.train_step(images, labels)
        else:
            del labels
            work.infer(images)

    return max(peak.live for peak in measure_live_peaks(work.network, step, 3)[1:])


def convolution(into: int, out: int, **options: Any) -> nn.Conv2d:
    return nn.Conv2d(into, out, 3, padding=1, **options)


def plain() -> nn.Module:
    layers = [
        convolution(3, 8),
        nn.BatchNorm2d(8),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        convolution(8, 8),
        nn.GELU(),
    ]
    return nn.Sequential(*layers, nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(8, CLASSES, 1))


class Branching(nn.Module):
    """One map goes three ways, so that its gradient is a sum of three; weights are used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.shared = convolution(3, 8), convolution(8, 8)
        self.norm = nn.GroupNorm(2, 8)
        self.head = nn.Conv2d(24, CLASSES, 1)

    def forward(self, images: Tensor) -> Tensor:
        features = functional.silu(self.stem(images))
        branches = [features, self.shared(features).sigmoid(), self.shared(self.norm(features)) * 2]
        return self.head(torch.cat(branches, 1))  # type: ignore[no-any-return]


class WithDropout(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = convolution(3, 16), convolution(16, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(functional.dropout(self.stem(images), 0.1, self.training))  # type: ignore[no-any-return]


class Checkpointed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = convolution(3, 8), convolution(8, CLASSES)
        self.body = nn.Sequential(convolution(8, 8), nn.ReLU(), convolution(8, 8), nn.ReLU())

    def forward(self, images: Tensor) -> Tensor:
        features = checkpoint(self.body, self.stem(images), use_reentrant=False, preserve_rng_state=False)
        return self.head(features)  # type: ignore[no-any-return]


class Field(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = convolution(8, 8), nn.GroupNorm(2, 8)

    def forward(self, time: Tensor, state: Tensor) -> Tensor:
        return self.conv(functional.relu(self.norm(state))) * (1 + time)  # type: ignore[no-any-return]


class Spectral(nn.Module):
    """Complex numbers, conjugated by the program and by the backward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = convolution(3, 8), nn.Conv2d(8, CLASSES, 1)

    def forward(self, images: Tensor) -> Tensor:
        features = self.stem(images)
        spectrum = torch.fft.rfft2(features)
        turned = spectrum.conj() * (spectrum + 1).conj()
        return self.head(features + torch.fft.irfft2(turned * turned, s=SIZE))  # type: ignore[no-any-return]


class Unfolded(nn.Module):
    """Patches as columns, and their sums."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = convolution(3, 8), nn.Conv2d(8, CLASSES, 1)

    def forward(self, images: Tensor) -> Tensor:
        columns = functional.unfold(self.stem(images), 3, padding=1)
        return self.head(functional.fold(columns.relu(), SIZE, 3, padding=1))  # type: ignore[no-any-return]


class Flow(nn.Module):
    """An ODE block around torchdiffeq, which knows nothing of `meta`."""

    def __init__(self, method: str = "rk4", adjoint: bool = False, **options: Any) -> None:
        super().__init__()
        self.stem, self.field, self.head = convolution(3, 8), Field(), nn.Conv2d(8, CLASSES, 1)
        self.solve = torchdiffeq.odeint_adjoint if adjoint else torchdiffeq.odeint
        self.settings = {"method": method, "options": options or None, "rtol": 1e-2, "atol": 1e-2}

    def forward(self, images: Tensor) -> Tensor:
        state = self.stem(images)
        times = torch.tensor([0.0, 1.0], device=state.device)
        return self.head(self.solve(self.field, state, times, **self.settings)[-1])  # type: ignore[no-any-return]


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "plain": plain,
    "branching": Branching,
    "dropout": WithDropout,
    "checkpointed": Checkpointed,
    "complex": Spectral,
    "unfolded": Unfolded,
    "rk4": lambda: Flow(step_size=0.25),
    "rk4-adjoint": lambda: Flow(adjoint=True, step_size=0.25),
    "euler": lambda: Flow("euler", step_size=0.1),
}


@pytest.mark.parametrize("mode", ["train", "infer"])
@pytest.mark.parametrize("name", NETWORKS)
def test_predicted_live_bytes_equal_a_real_run(name: str, mode: str) -> None:
    build = NETWORKS[name]
    real = real_peak(build, mode, batch=3)
    assert traced(build, mode, batch=3, target="cpu").log.peak[1] == pytest.approx(real, rel=1e-3)


@pytest.mark.parametrize("optimizer", [momentum, AdamW, lambda p: SGD(p, lr=0.1), lambda p: Muon(p, lr=0.1)])
def test_predicted_live_bytes_equal_a_real_run_with_any_optimizer(optimizer: Callable[[Any], Optimizer]) -> None:
    def wide() -> nn.Module:  # the optimizer decides the peak
        return nn.Sequential(nn.Conv2d(3, 256, 1), nn.Conv2d(256, 256, 3, padding=1), nn.Conv2d(256, CLASSES, 1))

    real = real_peak(wide, "train", 1, optimizer_type=optimizer)
    found = traced(wide, batch=1, target="cpu", optimizer_type=optimizer).log.peak[1]
    assert found == pytest.approx(real, rel=1e-3)


def test_a_convolution_is_counted_to_the_byte() -> None:
    """Weights 3x4x1x1, images and outputs of 24x32 in float32, labels int64: nothing else lives in inference."""
    found = traced(lambda: nn.Conv2d(3, 4, 1, bias=False), "infer", batch=2).log
    pixels = 2 * SIZE[0] * SIZE[1]
    assert found.breakdown() == {
        "parameters": 3 * 4 * 4,
        "optimizer state": 0,
        "gradients": 0,
        "activations": 0,
        "temporaries": pixels * 4 * 4,
        "inputs": pixels * 3 * 4,
        "workspaces": 0,
    }


def test_roles_are_told_apart_in_training() -> None:
    def build() -> nn.Module:
        return nn.Sequential(nn.Conv2d(3, 64, 1, bias=False), nn.ReLU(), nn.Conv2d(64, CLASSES, 1, bias=False))

    weights = (3 * 64 + 64 * CLASSES) * 4
    log = traced(build, optimizer_type=AdamW).log
    end = log.breakdown(len(log.events) - 1)
    assert end["parameters"] == end["gradients"] == weights
    assert end["optimizer state"] == 2 * weights
    backward = next(mark.position for mark in log.marks if mark.phase == "backward" and mark.step == 2)
    start = log.breakdown(backward - 1)
    pixels = 2 * SIZE[0] * SIZE[1] * 4
    scalar = 4  # the loss, and the sum of its weights
    kept = 64 + CLASSES  # the ReLU's result and the log-softmax; neither keeps what it was made from
    assert start["activations"] == pixels * kept + 2 * scalar
    assert start["gradients"] == 0


def births(log: StorageLog) -> list[Storage]:
    return [log.storages[event - 1] for event in log.events if event > 0]


def test_what_a_module_makes_is_credited_to_it_in_both_directions() -> None:
    log = traced(plain).log
    assert {"0", "1", "4", "7"} <= set(log.by_module())
    backward = [item for item in births(log) if item.operator == "aten.convolution_backward"]
    assert {item.module for item in backward} == {"0", "4", "7"}


def test_dropout_keeps_a_byte_an_element_on_cuda_and_four_on_the_cpu() -> None:
    elements = 2 * 16 * SIZE[0] * SIZE[1]
    cuda, cpu = traced(WithDropout).log, traced(WithDropout, target="cpu").log
    assert [item.bytes for item in births(cuda) if item.dtype == "bool"] == [elements] * 3
    assert cpu.peak[1] - cuda.peak[1] == pytest.approx(3 * elements, rel=1e-3)


def test_gradients_of_a_branching_map_add_in_place_as_without_a_dispatch_mode() -> None:
    """The first sum makes a new map, for its operand is a slice of another; the second adds into that one."""
    sums = [item for item in births(traced(Branching).log) if item.operator == "aten.add"]
    assert len([item for item in sums if item.shape == (2, 8, *SIZE)]) == 3, "one in each of three steps"


def test_cuda_updates_all_parameters_at_once_and_needs_temporaries_for_it() -> None:
    def wide() -> nn.Module:
        return nn.Sequential(*(nn.Conv2d(3, 3, 31, padding=15) for _ in range(6)))

    looped, at_once = (traced(wide, batch=1, target=t, optimizer_type=momentum).log for t in ("cpu", "cuda"))
    weights = 6 * (3 * 3 * 31 * 31 + 3) * 4
    assert at_once.breakdown()["temporaries"] >= weights
    assert at_once.peak[1] > looped.peak[1] + weights // 2


def test_checkpointing_is_seen_to_save_activations() -> None:
    class Direct(Checkpointed):
        def forward(self, images: Tensor) -> Tensor:
            return self.head(self.body(self.stem(images)))  # type: ignore[no-any-return]

    assert traced(Checkpointed).log.breakdown()["activations"] < traced(Direct).log.breakdown()["activations"]


def test_an_adaptive_solver_runs_on_assumptions_that_are_reported() -> None:
    found = traced(lambda: Flow("dopri5", adjoint=True), "infer")
    assert found.assumptions
    assert all(place.startswith("rk_common.py:") for place in found.assumptions), "torchdiffeq's line, not ours"
    assert not traced(lambda: Flow(step_size=0.25)).assumptions, "a fixed grid needs none"


def test_everything_is_put_back_after_a_trace() -> None:
    before = (torch.tensor, torch.autograd.backward, functional.dropout, nn.init.kaiming_uniform_)
    traced(plain)
    with pytest.raises(ZeroDivisionError):
        traced(lambda: nn.Conv2d(1 // 0, 1, 1))
    assert before == (torch.tensor, torch.autograd.backward, functional.dropout, nn.init.kaiming_uniform_)
    assert not nn.modules.module._global_forward_hooks


def test_matrix_products_bring_cublas_workspaces_of_both_threads() -> None:
    class Linear(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(3, CLASSES)

        def forward(self, images: Tensor) -> Tensor:
            return self.head(images.movedim(1, -1)).movedim(-1, 1)  # type: ignore[no-any-return]

    assert traced(Linear).log.breakdown()["workspaces"] == 2 * (2 * 4096 + 8 * 16) * 1024
    assert traced(plain).log.breakdown()["workspaces"] == 0


@pytest.mark.parametrize("batch", [1, 64])
def test_the_number_of_operators_does_not_depend_on_the_batch(batch: int) -> None:
    assert traced(plain, batch=batch).operators == traced(plain, batch=2).operators
