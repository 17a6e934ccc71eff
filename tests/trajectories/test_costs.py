from __future__ import annotations

from itertools import pairwise

import torch

from segbench.records.case import Case
from segbench.trajectories.costs import NetworkEndingAt, effort, inference_at, readout_macs
from segbench.trajectories.subject import Subject
from segbench.workload.images import normalise_images
from segbench.zoo.segnode import SegNode
from segbench.zoo.unode import UNode

TINY = {"widths": (4, 8, 8, 8), "stem": 4, "modules": 1, "blocks": 1}
IMAGE = torch.randn(1, 3, 64, 64)


def tiny(**arguments: object) -> Subject:
    torch.manual_seed(0)
    return Subject(SegNode(**{**TINY, **arguments}).eval())  # type: ignore[arg-type]


def test_every_step_costs_the_same_and_the_rest_is_entry_and_exit() -> None:
    subject = tiny()
    found = [effort(subject, [IMAGE], end) for end in subject.ends_at(subject.usual_times())]
    assert [item.evaluations for item in found] == [0, 1, 2, 3, 4]
    steps = {after.macs - before.macs for before, after in pairwise(found)}
    assert len(steps) == 1 and steps.pop() > 0
    assert found[0].accepted is None


def test_other_steps_and_other_solvers_are_counted_by_execution() -> None:
    assert effort(tiny(), [IMAGE], tiny().in_steps(8)).evaluations == 8
    assert effort(tiny(solver="rk4"), [IMAGE], tiny(solver="rk4").end_at(0.5)).evaluations == 8


def test_an_adaptive_solver_tells_its_steps() -> None:
    subject = tiny(solver="dopri5", rtol=1e-2, atol=1e-2)
    found = effort(subject, [IMAGE, IMAGE], subject.end_at(1.0))
    assert found.accepted is not None and found.rejected is not None and found.evaluations is not None
    assert found.evaluations == 2 + 6 * (found.accepted + found.rejected)


def test_several_blocks_are_counted_one_by_one() -> None:
    network = UNode(width=2, levels=2, solver="heun", gradient="backprop", steps=2).eval()
    subject = Subject(network)
    found = effort(subject, [IMAGE], subject.end_at(0.5))
    assert (found.by_block, found.evaluations) == ((2, 2, 2), 6)


def test_a_look_costs_the_exit_alone() -> None:
    subject = tiny()
    positions = sum(16 * 16 // 4**level * width for level, width in enumerate(TINY["widths"]))  # type: ignore[arg-type]
    assert readout_macs(subject, IMAGE) == 11 * positions


def test_a_network_that_ends_early_is_a_module_with_the_same_weights() -> None:
    subject = tiny()
    ending = NetworkEndingAt(subject, subject.end_at(0.5))
    with torch.no_grad():
        assert torch.equal(ending(IMAGE), subject.network.trajectory(IMAGE, [0.5])[0])
    assert sum(p.numel() for p in ending.parameters()) == sum(p.numel() for p in subject.network.parameters())


def test_an_inference_that_ends_early_gives_the_labels_of_that_end() -> None:
    subject = tiny()
    pictures = torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8)
    end = subject.end_at(0.5)
    inference = inference_at(subject, end, Case("trajectory", "tiny"), pictures, torch.device("cpu"))
    assert inference().total > 0
    with torch.no_grad():
        assert torch.equal(inference.labels.long(), subject.answer(normalise_images(pictures), end).argmax(1))
