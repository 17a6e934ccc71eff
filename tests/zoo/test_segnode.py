from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from segbench.errors import UnknownName, UserError
from segbench.zoo import HasTrajectory
from segbench.zoo.baseline import Baseline
from segbench.zoo.segnode import SegNode

SMALL: dict[str, Any] = {"widths": (4, 8, 16, 32), "stem": 8, "modules": 1, "blocks": 2}


def parameters(**arguments: Any) -> int:
    with torch.device("meta"):
        return sum(p.numel() for p in SegNode(**arguments).parameters())


def images(batch: int = 1) -> Tensor:
    return torch.rand(batch, 3, 45, 60, generator=torch.Generator().manual_seed(3))


def segnode(**arguments: Any) -> SegNode:
    torch.manual_seed(0)
    return SegNode(**{**SMALL, **arguments})


def gradients(network: nn.Module) -> Iterator[tuple[str, Tensor]]:
    network(images().double()).square().mean().backward()
    yield from ((name, p.grad) for name, p in network.named_parameters())


@pytest.mark.parametrize("norm", ["group", "batch"])
def test_it_has_20_9_million_parameters(norm: str) -> None:
    assert parameters(norm=norm) == 20_948_124


def test_film_adds_two_numbers_a_channel_and_small_block() -> None:
    assert parameters(time="film") - parameters() == 11_520 == 2 * 2 * 4 * (48 + 96 + 192 + 384)


def test_the_studied_small_one_has_309_thousand() -> None:
    assert parameters(widths=(8, 16, 32, 64), stem=16, modules=1) == 308_884


@pytest.mark.parametrize("modules", [1, 2])
def test_one_euler_step_is_the_residual_baseline(modules: int) -> None:
    """h + f(h) = h + M1(h) + M2(h + M1(h)): two residual modules in series."""
    ode = segnode(modules=modules, steps=1).eval()
    residual = Baseline(**{**SMALL, "modules": modules, "norm": "group"}).eval()
    residual.load_state_dict({name.replace("ode.f.", ""): value for name, value in ode.state_dict().items()})
    assert torch.allclose(ode(images()), residual(images()), atol=1e-6)


def test_unit_euler_steps_are_residual_modules_that_share_their_weights() -> None:
    ode = segnode(steps=3, t_end=3.0).eval()
    residual = Baseline(**{**SMALL, "modules": 3, "norm": "group"}).eval()
    residual.entry, residual.exit = ode.entry, ode.exit
    residual.exchanges = nn.ModuleList([ode.ode.f.exchanges[0]] * 3)
    assert torch.allclose(ode(images()), residual(images()), atol=1e-6)


def test_a_trajectory_starts_at_the_entry_and_ends_at_the_answer() -> None:
    network = segnode().eval()
    start, half, end = network.trajectory(images(), [0, 0.5, network.t_end])
    assert torch.equal(start, network.decode(network.encode(images()), (45, 60)))
    assert torch.equal(end, network(images()))
    assert not torch.equal(half, end)
    assert network.ode.nfe_forward == 4 + 4
    assert isinstance(network, HasTrajectory)


@pytest.mark.parametrize("gradient", ["checkpoint-step", "checkpoint-stage"])
def test_recomputing_gives_the_same_gradient(gradient: str) -> None:
    plain, saving = segnode(recompute=False).double(), segnode(gradient=gradient).double()
    for (name, one), (_, other) in zip(gradients(plain), gradients(saving), strict=True):
        assert torch.allclose(one, other, rtol=1e-10, atol=1e-14), name


def test_film_starts_as_the_autonomous_network() -> None:
    network = segnode(time="film").eval()
    state = {name: value for name, value in network.state_dict().items() if "film" not in name}
    autonomous = segnode().eval()
    autonomous.load_state_dict(state)
    assert torch.equal(network(images()), autonomous(images()))


def test_each_evaluation_has_statistics_of_its_own_if_asked() -> None:
    network = segnode(norm="batch-per-stage", solver="midpoint", steps=2)
    network(images(2))
    means = network.ode.f.exchanges[0].branches[0][0].norm.running_mean
    assert means.shape == (4, 4)
    assert len({tuple(row) for row in means.tolist()}) == 4


def test_a_solver_that_chooses_its_steps_has_no_stages() -> None:
    with pytest.raises(UserError, match="dopri5"):
        segnode(norm="batch-per-stage", solver="dopri5", gradient="adjoint")


def test_hrnets_front_may_make_the_first_state() -> None:
    network = segnode(front="hrnet").eval()
    plain = segnode().eval()
    assert [maps.shape for maps in network.encode(images())] == [maps.shape for maps in plain.encode(images())]
    assert network(images()).shape == (1, 11, 45, 60)


@pytest.mark.parametrize("wrong", [{"time": "fim"}, {"front": "hrnt"}, {"norm": "layer"}, {"solver": "rk5"}])
def test_unknown_names_are_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(UnknownName):
        segnode(**wrong)
