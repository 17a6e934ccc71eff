"""Which states of a trajectory a loss reads, and how much each weighs."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from segbench.errors import UserError
from segbench.layers.pixel_loss import PixelLoss
from segbench.learning.objective import Segmentation, supervised_steps
from segbench.workload.outputs import OutputReader
from segbench.zoo import Moment


class Ode(nn.Module):
    """A solve of h' = 1 from h = 0, so that the state is the time."""

    steps, t_end = 4, 2.0

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[list[float]] = []

    def forward(self, state: torch.Tensor) -> torch.Tensor:
        return state + self.t_end

    def trajectory(self, state: torch.Tensor, times: list[float]) -> list[torch.Tensor]:
        self.asked.append(list(times))
        return [state + time for time in times]


class OdeNetwork(nn.Module):
    """Two classes; the score of class 0 is the time of the state that is decoded."""

    def __init__(self) -> None:
        super().__init__()
        self.ode = Ode()
        self.scale = nn.Parameter(torch.ones(()))

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        return images[:, :1] * 0

    def decode(self, state: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        score = state[..., : size[0], : size[1]] * self.scale
        return torch.cat([score, torch.zeros_like(score)], 1)


START = Moment(draw=0.0, progress=0.0)


def loss_at(time: float) -> float:
    return float(torch.log1p(torch.exp(torch.tensor(-time))))


def mean_loss(supervision: str, draw: float = 0.0, progress: float = 0.0) -> tuple[float, Ode]:
    network = OdeNetwork()
    objective = Segmentation(network, PixelLoss(), supervision)  # type: ignore[arg-type]
    labels = torch.zeros(1, 3, 4, dtype=torch.long)
    total = objective(torch.randn(1, 3, 6, 8), labels, Moment(draw, progress))
    return float((total / objective.weight(labels)).detach()), network.ode


def test_the_end_alone_is_one_loss():
    value, ode = mean_loss("end")
    assert ode.asked == []  # no trajectory is kept where only its end is wanted
    assert value == pytest.approx(loss_at(2.0))


def test_every_step_weighs_its_share_of_the_way_and_the_entry_a_tenth():
    value, ode = mean_loss("all")
    assert ode.asked == [[0.0, 0.5, 1.0, 1.5, 2.0]]
    weights, times = [0.1, 0.25, 0.5, 0.75, 1.0], [0.0, 0.5, 1.0, 1.5, 2.0]
    assert value == pytest.approx(
        sum(w * loss_at(t) for w, t in zip(weights, times, strict=True)) / sum(weights), rel=1e-5
    )


def test_the_end_and_one_other_state_at_random():
    value, ode = mean_loss("end+random", draw=0.6)
    assert ode.asked == [[1.0, 2.0]]
    assert value == pytest.approx((0.5 * loss_at(1.0) + loss_at(2.0)) / 1.5, rel=1e-5)


def test_every_other_state_is_drawn_equally_often():
    assert {supervised_steps("end+random", 4, draw)[0] for draw in (0.0, 0.26, 0.51, 0.76)} == {0, 1, 2, 3}
    assert supervised_steps("end+random", 4, 0.999999) == [3, 4]


def test_the_state_half_way_is_supervised_with_half_the_weight_of_the_last():
    value, ode = mean_loss("end+half")
    assert ode.asked == [[1.0, 2.0]]
    assert value == pytest.approx((0.5 * loss_at(1.0) + loss_at(2.0)) / 1.5, rel=1e-5)
    assert supervised_steps("end+half", 3, 0.9) == [1, 3]


def test_the_end_first_and_every_step_in_the_last_third_of_the_budget():
    early, late = (mean_loss("end-then-all", progress=progress) for progress in (0.66, 0.67))
    assert early[0] == pytest.approx(loss_at(2.0)) and early[1].asked == []
    assert late[0] == mean_loss("all")[0] and late[1].asked == [[0.0, 0.5, 1.0, 1.5, 2.0]]


def test_a_trajectory_is_refused_of_a_network_without_one():
    with pytest.raises(UserError, match="Conv2d has none; choose end"):
        Segmentation(nn.Conv2d(3, 2, 1), PixelLoss(), "all")


class Auxiliary(nn.Module):
    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, images: torch.Tensor) -> object:
        main = torch.stack([images[:, 0], -images[:, 0]], 1)
        other = main * 0
        return {"tuple": (main, other), "mapping": {"out": main, "aux": other}}[self.kind]


class AuxiliaryOde(OdeNetwork):
    """Its second score map is that of the state at time 0."""

    def decode(self, state: torch.Tensor, size: tuple[int, int]) -> dict[str, torch.Tensor]:
        return {"out": super().decode(state, size), "aux": super().decode(state * 0, size)}


@pytest.mark.parametrize(
    ("supervision", "main"), [("end", loss_at(2.0)), ("end+half", (loss_at(1.0) / 2 + loss_at(2.0)) / 1.5)]
)
def test_auxiliary_scores_of_every_decoded_state_count(supervision: str, main: float):
    objective = Segmentation(AuxiliaryOde(), PixelLoss(), supervision)  # type: ignore[arg-type]
    labels = torch.zeros(1, 2, 2, dtype=torch.long)
    total = objective(torch.ones(1, 3, 4, 4), labels, START).detach()
    value = float(total / objective.weight(labels))
    assert value == pytest.approx(main + 0.4 * loss_at(0.0), rel=1e-5)


class Exits(nn.Module):
    """Two exits, of which the second says class 0 more loudly; no state to decode."""

    t_end = 2.0

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[float] = []

    def trajectory(self, images: torch.Tensor, times: list[float]) -> list[torch.Tensor]:
        self.asked = list(times)
        return [torch.stack([images[:, 0] * time, images[:, 0] * 0], 1) for time in times]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.trajectory(images, [self.t_end])[0]


def test_exits_are_supervised_like_times():
    network = Exits()
    objective = Segmentation(network, PixelLoss(), "all")
    labels = torch.zeros(1, 2, 2, dtype=torch.long)
    value = float(objective(torch.ones(1, 3, 4, 4), labels, START) / objective.weight(labels))
    assert network.asked == [0.0, 1.0, 2.0]
    assert value == pytest.approx((0.1 * loss_at(0.0) + 0.5 * loss_at(1.0) + loss_at(2.0)) / 1.6, rel=1e-5)


class Decoder(nn.Module):
    """A network without an ODE that can still put its scores out at any size."""

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        return images[:, :2]

    def decode(self, state: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        return functional.interpolate(state, size=size)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        raise AssertionError("full-size scores are not needed")


def test_scores_are_put_out_at_the_labels_size_where_a_network_can():
    objective = Segmentation(Decoder(), PixelLoss())
    assert objective(torch.ones(1, 3, 8, 8), torch.zeros(1, 4, 4, dtype=torch.long), START) > 0


@pytest.mark.parametrize("kind", ["tuple", "mapping"])
def test_auxiliary_outputs_count_four_tenths_or_what_is_asked(kind):
    images = torch.ones(1, 3, 4, 4)
    labels = torch.zeros(1, 2, 2, dtype=torch.long)
    for outputs, weight in ((None, 0.4), (OutputReader(aux_weight=0.1), 0.1), (OutputReader(aux_weight=0.0), 0.0)):
        objective = Segmentation(Auxiliary(kind), PixelLoss(), outputs=outputs)
        value = float(objective(images, labels, START) / objective.weight(labels))
        assert value == pytest.approx(loss_at(2.0) + weight * loss_at(0.0), rel=1e-5)


class OwnLoss(nn.Module):
    def training_loss(self, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return torch.tensor(0.5)


def test_a_loss_of_the_networks_own_is_a_mean_and_weighs_as_many_pixels_as_it_saw():
    objective = Segmentation(OwnLoss(), PixelLoss())
    labels = torch.tensor([[[0, 1, 255]]])
    assert objective(torch.ones(1, 3, 1, 3), labels, START) == 2 * 0.5
    assert objective.weight(labels) == 2


def test_the_stride_told_is_the_images_also_where_labels_are_smaller():
    outputs = OutputReader()
    objective = Segmentation(nn.AvgPool2d(4), PixelLoss(), outputs=outputs)
    objective(torch.ones(1, 3, 8, 8), torch.zeros(1, 4, 4, dtype=torch.long), START)
    assert outputs.stride == 4
