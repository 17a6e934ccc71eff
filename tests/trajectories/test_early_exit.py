from __future__ import annotations

import pytest
import torch
from torch import Tensor

from segbench.adaptive.decisions import Replayed
from segbench.adaptive.policies import Change, Confidence, Policy, StateChange
from segbench.errors import UserError
from segbench.trajectories.early_exit import Oracle, ending_after, parse_stop
from segbench.trajectories.early_exit_trial import Watched, answer_early, meet_smaller_batches
from segbench.trajectories.subject import Subject
from segbench.zoo.segnode import SegNode


def tiny(**arguments: object) -> Subject:
    torch.manual_seed(0)
    network = SegNode(widths=(4, 8, 8, 8), stem=4, modules=1, blocks=1, **arguments)  # type: ignore[arg-type]
    return Subject(network.eval())


@pytest.fixture
def images() -> Tensor:
    return torch.randn(5, 3, 64, 64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("change<0.05", Change(0.05)),
        ("change", Change(0.05)),
        (" state < 0.2 ", StateChange(0.2)),
        ("confidence>0.95", Confidence(0.95)),
        ("oracle", Oracle(0.005)),
        ("oracle<0.02", Oracle(0.02)),
    ],
)
def test_rules_are_read_as_written(text: str, rule: Policy | Oracle) -> None:
    assert parse_stop(text) == rule
    assert parse_stop(rule.name) == rule


@pytest.mark.parametrize("text", ["", "changed<0.1", "change>0.1", "change<2", "change<x", "0.9", "signal<0"])
def test_anything_else_is_refused_with_what_can_be_written(text: str) -> None:
    with pytest.raises(UserError, match=r"write .*change<0\.05"):
        parse_stop(text)


def test_the_oracles_threshold_is_a_share() -> None:
    with pytest.raises(UserError, match="from 0 to 1"):
        parse_stop("oracle<2")


@pytest.mark.parametrize("solver", ["euler", "rk4", "alf"])
def test_images_that_leave_do_not_change_the_others_answers(solver: str, images: Tensor) -> None:
    subject, wanted = tiny(solver=solver), [1, 4, 2, 4, 3]
    found = answer_early(subject, images, Replayed("by hand", ending_after(wanted)))
    assert list(found.stages) == wanted
    for number, step in enumerate(wanted):
        alone = subject.network.trajectory(images[number : number + 1], [step / 4])[0]
        assert torch.allclose(found.scores[number], alone[0], atol=1e-5)


def test_extreme_thresholds_stop_after_the_first_step_or_never(images: Tensor) -> None:
    subject = tiny()
    for rule in (Change(1.0), StateChange(1.0), Confidence(0.0)):
        assert set(answer_early(subject, images, rule).stages) == {1}
    for rule in (Change(0.0), StateChange(0.0), Confidence(1.0)):
        found = answer_early(subject, images, rule)
        assert set(found.stages) == {4}
        assert torch.allclose(found.scores, subject.network(images), atol=1e-5)


@pytest.mark.parametrize(
    ("rule", "count"),
    [
        (Change(0.0), 4),  # at 0, 1, 2 and 3 steps
        (Change(1.0), 2),
        (Confidence(1.0), 3),  # which compares nothing with the start
        (StateChange(0.0), 0),
    ],
)
def test_observations_are_counted_and_none_is_made_at_the_end(rule: Policy, count: int, images: Tensor) -> None:
    watched = Watched(rule, len(images))
    answer_early(tiny(), images, watched)
    assert watched.observations == [count] * 5


def test_a_rule_sees_each_image_for_itself(images: Tensor) -> None:
    subject, rule = tiny(), Change(0.1)
    alone = [answer_early(subject, images[number : number + 1], rule).stages[0] for number in range(5)]
    assert list(answer_early(subject, images, rule).stages) == alone


def test_every_smaller_batch_is_met_before_anything_is_timed(images: Tensor) -> None:
    subject, met = tiny(), list[int]()
    first = next(module for module in subject.network.modules() if isinstance(module, torch.nn.Conv2d))
    first.register_forward_pre_hook(lambda _, arguments: met.append(len(arguments[0])))
    meet_smaller_batches(subject, images, subject.end_at(subject.t_end))
    assert met == list(range(1, len(images)))
