from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from segbench.adaptive.inference import infer
from segbench.adaptive.policies import Signal
from segbench.adaptive.run import Adaptive, costs_vary
from segbench.cards.model import find_model
from segbench.errors import UserError
from segbench.layers.pixel_loss import PixelLoss
from segbench.meters.operations import count_operations
from segbench.zoo import Moment, SupervisesItself
from segbench.zoo.segnode_gain import SegNodeGain, regional_loss

NOW = Moment(0.5, 0.5)
W8: dict[str, Any] = find_model("segnode-gain-w8").card.arguments


def gain(**arguments: Any) -> SegNodeGain:
    torch.manual_seed(0)
    fixed: dict[str, Any] = {"widths": (8, 8, 8, 8), "stem": 4, "modules": 1, "blocks": 1, "steps": 2, "grid": (2, 3)}
    return SegNodeGain(classes=3, **{**fixed, **arguments})


@pytest.fixture
def images() -> Tensor:
    return torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def targets() -> Tensor:
    labels = torch.randint(0, 3, (2, 32, 48), generator=torch.Generator().manual_seed(2))
    labels[0, :16, :16] = 255
    return labels.to(torch.uint8)


def test_the_loss_of_a_region_is_the_mean_over_its_labelled_pixels() -> None:
    logits = torch.tensor([[0.0, 2.0, 0.0, 5.0], [0.0, 0.0, 3.0, 5.0]])[None, :, None]  # two classes, four pixels
    targets = torch.tensor([[[0, 1, 255, 0]]])
    left, right = regional_loss(logits, targets, (1, 2))[0, 0]
    assert left == pytest.approx((0.6931 + 2.1269) / 2, abs=1e-4), "ln 2, and ln(1 + e^2)"
    assert right == pytest.approx(0.6931, abs=1e-4)
    assert regional_loss(logits, torch.full_like(targets, 255), (1, 2)).isnan().all()


def test_it_trains_as_a_segnode_with_every_state_supervised_and_the_heads_error(
    images: Tensor, targets: Tensor
) -> None:
    network, loss = gain(), PixelLoss()
    assert isinstance(network, SupervisesItself)
    total = network.supervise(images, targets, loss, NOW)
    states = network.ode.trajectory(network.encode(images), [0, 0.5, 1])
    maps: list[Tensor] = [network.decode(state, (32, 48)) for state in states]  # type: ignore[misc]
    wanted = sum(w * loss.total(m, targets) for w, m in zip((0.1, 0.5, 1), maps, strict=True)) / 1.6
    falls = -torch.stack([regional_loss(m, targets, (2, 3)) for m in maps]).diff(dim=0)
    foreseen = torch.stack([network.gains(state, (2, 3), time) for state, time in zip(states, (0, 0.5), strict=False)])
    error = (foreseen - falls)[~falls.isnan()].square().mean()
    assert torch.allclose(total, wanted + loss.weight(targets) * error)


def test_the_head_sends_no_gradient_into_the_network(images: Tensor) -> None:
    network = gain()
    network.gains(network.encode(images), (2, 3), 0.5).sum().backward()
    reached = {name.split(".")[0] for name, weight in network.named_parameters() if weight.grad is not None}
    assert reached == {"looks", "judge"}


def test_where_nothing_is_labelled_there_is_no_error(images: Tensor) -> None:
    network, nothing = gain(), torch.full((2, 32, 48), 255, dtype=torch.uint8)
    states = [network.encode(images)] * 2
    assert network.error(states, [torch.zeros(2, 3, 32, 48)] * 2, nothing, None).item() == 0


def test_the_heads_cost_is_what_its_docstring_says() -> None:
    with torch.device("meta"):
        for arguments, size, share in (({}, (360, 480), 0.0016), (W8, (180, 240), 0.019)):
            network = SegNodeGain(**arguments).eval()
            streams = network.encode(torch.empty(1, 3, *size))
            head, f = (
                count_operations(network, compute).total_macs
                for compute in (partial(network.gains, streams, (3, 4), 0.5), partial(network.ode.f, 0.0, streams))
            )
            assert head / f == pytest.approx(share, rel=0.02)


@pytest.mark.parametrize("grid", [[3], 3, [0, 4], [1.5, 2]])
def test_what_is_no_grid_is_refused(grid: Any) -> None:
    with pytest.raises(UserError, match="give its rows and columns"):
        gain(grid=grid)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_unlabelled_regions_teach_nothing_and_spoil_nothing(
    layout: torch.memory_format, images: Tensor, targets: Tensor
) -> None:
    network = gain(widths=(8, 16, 32, 64))
    network.supervise(images.to(memory_format=layout), targets, PixelLoss(), NOW).backward()
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in network.parameters())


def test_the_head_learns_what_a_step_gains(images: Tensor, targets: Tensor) -> None:
    network, errors = gain(), list[float]()
    with torch.no_grad():
        states = network.ode.trajectory(network.encode(images), [0, 0.5, 1])
        maps: list[Tensor] = [network.decode(state, (32, 48)) for state in states]  # type: ignore[misc]
    optimizer = torch.optim.Adam([*network.looks.parameters(), *network.judge.parameters()], 0.02)
    for _ in range(40):
        error = network.error(states, maps, targets, None)
        optimizer.zero_grad()
        error.backward()
        optimizer.step()
        errors.append(error.item())
    assert errors[-1] < errors[0] / 5


@pytest.mark.parametrize(("arguments", "shape"), [({}, (2,)), ({"region": 32}, (2, 2, 3))])
def test_its_signal_is_one_number_a_decision(arguments: dict[str, Any], shape: tuple[int, ...], images: Tensor) -> None:
    network = gain(**arguments).eval()
    assert isinstance(network, Adaptive) and not costs_vary(network)
    with torch.no_grad():
        run = network.begin(images)
        run.advance()
        assert run.signal().shape == shape
    assert infer(network, images, Signal(1e9)).stages == (1, 1)
    assert infer(network, images, Signal(-1e9)).stages == (2, 2)
