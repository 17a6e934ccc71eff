from __future__ import annotations

import pytest
import torch

from segbench.errors import UserError
from segbench.trajectories.early_exit import (
    Change,
    Confidence,
    ExitRule,
    Oracle,
    Scheduled,
    SolverStepper,
    StateChange,
    answer_early,
    parse_rule,
)
from segbench.trajectories.early_exit_trial import meet_smaller_batches
from segbench.trajectories.subject import Subject
from segbench.zoo.segnode import SegNode


def tiny(**arguments: object) -> Subject:
    torch.manual_seed(0)
    network = SegNode(widths=(4, 8, 8, 8), stem=4, modules=1, blocks=1, **arguments)  # type: ignore[arg-type]
    return Subject(network.eval())


@pytest.fixture
def images() -> torch.Tensor:
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
def test_rules_are_read_as_written(text: str, rule: ExitRule | Oracle) -> None:
    assert parse_rule(text) == rule
    assert parse_rule(rule.name) == rule


@pytest.mark.parametrize("text", ["", "changed<0.1", "change>0.1", "change<2", "change<x", "confidence<0.9", "0.9"])
def test_anything_else_is_refused_with_what_can_be_written(text: str) -> None:
    with pytest.raises(UserError, match=r"write change<0\.05"):
        parse_rule(text)


@pytest.mark.parametrize("solver", ["euler", "rk4", "alf"])
def test_images_that_leave_do_not_change_the_others_answers(solver: str, images: torch.Tensor) -> None:
    subject = tiny(solver=solver)
    wanted = [1, 4, 2, 4, 3]
    found = answer_early(subject, images, Scheduled("by hand", wanted))
    assert list(found.steps) == wanted
    for number, step in enumerate(wanted):
        alone = subject.network.trajectory(images[number : number + 1], [step / 4])[0]
        assert torch.allclose(found.logits[number], alone[0], atol=1e-5)


def test_an_image_is_charged_for_the_evaluations_it_took_part_in(images: torch.Tensor) -> None:
    found = answer_early(tiny(solver="rk4"), images, Scheduled("by hand", [1, 4, 2, 4, 3]))
    assert found.evaluations == (4, 16, 8, 16, 12)
    assert found.observations == (0, 0, 0, 0, 0)


def test_images_that_leave_are_not_computed_any_more(images: torch.Tensor) -> None:
    subject, sizes = tiny(), []
    subject.blocks[0].f.register_forward_hook(lambda module, inputs, output: sizes.append(len(output[0])))
    answer_early(subject, images, Scheduled("by hand", [1, 4, 2, 4, 3]))
    assert sizes == [5, 4, 3, 2]


def test_extreme_thresholds_stop_after_the_first_step_or_never(images: torch.Tensor) -> None:
    subject = tiny()
    for rule in (Change(1.0), StateChange(1.0), Confidence(0.0)):
        assert set(answer_early(subject, images, rule).steps) == {1}
    for rule in (Change(0.0), StateChange(0.0), Confidence(1.0)):
        found = answer_early(subject, images, rule)
        assert set(found.steps) == {4}
        assert torch.allclose(found.logits, subject.network(images), atol=1e-5)


def test_looks_are_counted_and_none_is_taken_at_the_end(images: torch.Tensor) -> None:
    assert set(answer_early(tiny(), images, Change(0.0)).observations) == {4}, "at 0, 1, 2 and 3 steps"
    assert set(answer_early(tiny(), images, Change(1.0)).observations) == {2}
    assert set(answer_early(tiny(), images, StateChange(0.0)).observations) == {0}


def test_a_rule_sees_each_image_for_itself(images: torch.Tensor) -> None:
    subject, rule = tiny(), Change(0.1)
    together = answer_early(subject, images, rule)
    alone = [answer_early(subject, images[number : number + 1], rule).steps[0] for number in range(5)]
    assert list(together.steps) == alone


def test_an_adaptive_solver_cannot_be_left_between_steps(images: torch.Tensor) -> None:
    with pytest.raises(UserError, match="dopri5 chooses its steps"):
        answer_early(tiny(solver="dopri5"), images, Change(0.1))


def test_under_autocast_the_state_is_kept_in_full_as_in_the_sweep(images: torch.Tensor) -> None:
    subject = tiny()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        stepper = SolverStepper(subject.streams.ode, subject.streams.encode(images))
        while not stepper.is_over:
            stepper.advance()
        (end,) = subject.states(images, subject.ends_at([]))
    assert {part.dtype for part in stepper.state} == {torch.float32}
    assert all(torch.equal(mine, other) for mine, other in zip(stepper.state, end, strict=True))


def test_every_smaller_batch_is_met_before_anything_is_timed(images: torch.Tensor) -> None:
    subject, met = tiny(), list[int]()
    first = next(module for module in subject.network.modules() if isinstance(module, torch.nn.Conv2d))
    first.register_forward_pre_hook(lambda _, arguments: met.append(len(arguments[0])))
    meet_smaller_batches(subject, images, subject.end_at(subject.t_end))
    assert met == list(range(1, len(images)))
