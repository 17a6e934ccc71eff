"""Operations counted by execution, against counts made by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from segbench.meters.operations import count_operations
from segbench.meters.operations_crosscheck import OtherCount, count_with_fvcore, count_with_torch
from segbench.records.case import Case
from segbench.workload.step import build_workload


def count(network: nn.Module, images: Tensor):
    network = network.eval()
    with torch.no_grad():
        return count_operations(network, lambda: network(images))


def on_meta(*shape: int) -> Tensor:
    return torch.empty(*shape, device="meta")


@pytest.mark.parametrize(
    ("layer", "macs"),
    [
        (nn.Conv2d(3, 64, 3, padding=1), 64 * 36 * 48 * 3 * 9),
        (nn.Conv2d(3, 64, 3, padding=1, stride=2), 64 * 18 * 24 * 3 * 9),
        (nn.Conv2d(3, 6, 5, groups=3, padding=2), 6 * 36 * 48 * 1 * 25),
        (nn.Conv2d(3, 8, 3, dilation=2), 8 * 32 * 44 * 3 * 9),
        (nn.ConvTranspose2d(3, 8, 2, stride=2), 3 * 36 * 48 * 8 * 4),
    ],
)
def test_a_convolution_costs_one_kernel_window_an_output_value(layer: nn.Module, macs: int) -> None:
    found = count(layer.to("meta"), on_meta(1, 3, 36, 48))
    assert found.macs == {"convolution": macs}
    assert found.flops == 2 * macs
    assert count_with_torch(lambda: layer(on_meta(1, 3, 36, 48))).macs == macs


def test_matrix_products_and_attention_are_counted() -> None:
    class Attends(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.project = nn.Linear(16, 8)

        def forward(self, tokens: Tensor) -> Tensor:
            small = self.project(tokens).unsqueeze(1)
            return functional.scaled_dot_product_attention(small, small, small)

    found = count(Attends(), torch.randn(2, 5, 16))
    assert found.macs["matmul"] == 2 * 5 * 16 * 8
    assert sum(found.macs.values()) == 2 * 5 * 16 * 8 + 2 * (5 * 5 * 8 + 5 * 5 * 8)


class EulerOde(nn.Module):
    """Four evaluations of one convolution, as an ODE block makes them."""

    def __init__(self) -> None:
        super().__init__()
        self.f = nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, state: Tensor) -> Tensor:
        for _ in range(4):
            state = state + self.f(state) / 4
        return state


def test_every_evaluation_of_an_odes_f_counts() -> None:
    found = count(EulerOde().to("meta"), on_meta(1, 4, 10, 10))
    once = 4 * 100 * 4 * 9
    (whole, f) = found.modules
    assert (whole.name, whole.macs) == ("", 4 * once)
    assert (f.name, f.type, f.calls, f.macs) == ("f", "Conv2d", 4, 4 * once)


def test_views_start_no_kernel_and_new_outputs_are_activations() -> None:
    class Net(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            flat = images.view(1, -1)
            return flat.relu().add_(1)

    found = count(Net(), torch.randn(1, 2, 3, 4))
    assert found.launches == 2
    assert found.activation_bytes == 24 * 4, "relu's output; adding in place makes none"
    assert found.uncounted == {"relu": 1, "add_": 1}


def test_three_counters_agree_on_a_network() -> None:
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.ConvTranspose2d(8, 4, 2, 2)).eval()
    images = torch.randn(1, 3, 20, 30)
    mine = count(network, images).total_macs
    others = [count_with_torch(lambda: network(images)), count_with_fvcore(network, images)]
    assert [item.macs for item in others] == [mine, mine]
    assert not any(item.disagrees_with(mine) for item in others)


def test_a_disagreement_above_one_percent_is_seen() -> None:
    assert OtherCount("torch", 102).disagrees_with(100)
    assert not OtherCount("torch", 101).disagrees_with(100)
    assert not OtherCount("fvcore", None, "cannot trace").disagrees_with(100)


def test_a_network_that_cannot_be_traced_has_a_cause() -> None:
    class Untraceable(nn.Module):
        def forward(self, images: Tensor) -> dict[str, object]:
            return {"out": object()}

    found = count_with_fvcore(Untraceable(), torch.randn(1, 3, 4, 4))
    assert found.macs is None
    assert found.cause


def test_a_list_of_modules_is_never_called_but_has_the_work_of_its_members() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.steps = nn.ModuleList([nn.Conv2d(2, 2, 1), nn.Conv2d(2, 2, 1)])

        def forward(self, images: Tensor) -> Tensor:
            for step in self.steps:
                images = step(images)
            return images

    found = count(Net().to("meta"), on_meta(1, 2, 5, 5))
    assert [(item.name, item.calls, item.macs) for item in found.modules] == [
        ("", 1, 200),
        ("steps", 0, 200),
        ("steps.0", 1, 100),
        ("steps.1", 1, 100),
    ]


@pytest.mark.parametrize(
    ("card", "giga", "kernels"),
    [("hrnetv2", 62.26, 1088), ("baseline", 35.2, 847), ("unet", 126.9, 68)],
)
def test_the_papers_networks_cost_what_was_counted_by_hand(card: str, giga: float, kernels: int) -> None:
    workload = build_workload(Case("params", card), "meta")
    images = workload.make_batch(1)[0]
    found = count_operations(workload.network, lambda: workload.infer(images))
    assert found.macs["convolution"] == pytest.approx(giga * 1e9, rel=0.01)
    assert found.launches == kernels


def test_one_evaluation_of_segnodes_f_and_its_entry_cost_what_was_counted_by_hand() -> None:
    workload = build_workload(Case("params", "segnode").with_arguments(steps=2), "meta")
    images = workload.make_batch(1)[0]
    by_name = {item.name: item for item in count_operations(workload.network, lambda: workload.infer(images)).modules}
    f = by_name["ode.f"]
    assert f.macs / f.calls == pytest.approx(9.74e9, rel=0.01)
    assert by_name["entry"].macs == pytest.approx(1.12e9, rel=0.01)
