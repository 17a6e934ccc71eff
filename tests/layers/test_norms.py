from __future__ import annotations

import pytest
import torch
from torch import nn

from segbench.errors import UnknownName, UserError
from segbench.layers.norms import StageBatchNorm2d, frozen_statistics, group_count, make_norm, normalise
from segbench.layers.stage import at_stage


@pytest.mark.parametrize(("channels", "groups"), [(384, 8), (48, 8), (16, 8), (12, 4), (8, 4), (6, 2), (3, 1), (1, 1)])
def test_groups_are_halved_until_they_divide_and_hold_two_channels(channels: int, groups: int) -> None:
    assert group_count(channels) == groups


def test_every_kind_has_two_parameters_a_channel() -> None:
    for kind in ("group", "batch", "batch-per-stage"):
        assert sum(parameter.numel() for parameter in make_norm(kind, 12, stages=4).parameters()) == 24


def test_an_unknown_kind_names_the_near_one() -> None:
    with pytest.raises(UnknownName, match="did you mean batch"):
        make_norm("bach", 8)


def test_per_stage_statistics_need_a_number_of_stages() -> None:
    with pytest.raises(UserError, match="evaluations of f"):
        make_norm("batch-per-stage", 8)


def test_stage_batch_norm_outside_of_a_solve_is_torchs() -> None:
    torch.manual_seed(0)
    own, torchs = make_norm("batch", 5).double(), nn.BatchNorm2d(5).double()
    images = torch.randn(3, 5, 4, 4, dtype=torch.double)
    assert torch.equal(own(images), torchs(images))
    assert torch.equal(own.eval()(images), torchs.eval()(images))
    for name, value in torchs.state_dict().items():
        assert torch.equal(own.state_dict()[name], value)


def test_a_recomputation_gives_the_same_output_and_leaves_the_statistics() -> None:
    norm = make_norm("batch", 4)
    images = torch.randn(2, 4, 3, 3)
    first = norm(images)
    before = {name: value.clone() for name, value in norm.state_dict().items()}
    with at_stage(recomputing=True):
        again = norm(images)
    assert torch.equal(first, again)
    assert all(torch.equal(before[name], value) for name, value in norm.state_dict().items())


def test_each_stage_has_statistics_of_its_own() -> None:
    norm = StageBatchNorm2d(1, stages=2)
    for stage, level in enumerate((1.0, 10.0)):
        with at_stage(stage):
            norm(torch.full((2, 1, 2, 2), level))
    assert norm.running_mean is not None
    torch.testing.assert_close(norm.running_mean, torch.tensor([[0.1], [1.0]]))
    norm.eval()
    with at_stage(1):
        assert norm(torch.full((1, 1, 1, 1), 1.0)).item() == pytest.approx(0.0)


def test_a_stage_beyond_the_training_grid_is_refused() -> None:
    norm = StageBatchNorm2d(3, stages=4)
    with at_stage(4), pytest.raises(UserError, match="statistics for 4 evaluations"):
        norm(torch.randn(2, 3, 2, 2))


def test_frozen_statistics_hold_for_torchs_norms_too_and_end_again() -> None:
    network = nn.Sequential(nn.BatchNorm2d(2), make_norm("batch", 2))
    images = torch.randn(4, 2, 3, 3) + 5
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with frozen_statistics(network):
        frozen = network(images)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert torch.equal(frozen, network(images))
    assert network.state_dict()["0.num_batches_tracked"] == 1
    assert not torch.equal(before["0.running_mean"], network.state_dict()["0.running_mean"])


def test_normalising_with_another_affine_map_replaces_the_norms_own() -> None:
    norm = make_norm("group", 4)
    images = torch.randn(2, 4, 3, 3)
    weight, bias = torch.rand(4), torch.rand(4)
    expected = norm(images) * weight.view(-1, 1, 1) + bias.view(-1, 1, 1)
    torch.testing.assert_close(normalise(norm, images, weight, bias), expected)


def test_only_group_and_batch_norms_can_be_normalised_with() -> None:
    with pytest.raises(TypeError, match="LayerNorm"):
        normalise(nn.LayerNorm(3), torch.zeros(1, 1, 3), None, None)
