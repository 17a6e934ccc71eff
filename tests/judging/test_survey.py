from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from segbench.adaptive.policies import parse_policy
from segbench.adaptive.run import DecisionUnit
from segbench.evaluation.confusion import mean_iou
from segbench.judging.survey import Survey, Surveyor
from tests.judging.conftest import SIDE, Exits, Plainly

if TYPE_CHECKING:
    from tests.judging.conftest import Scenes

PIXELS = SIDE * SIDE
STAGE, READ = 9, 6
"""MACs a pixel."""


def surveyed(unit: DecisionUnit, scenes: Scenes) -> Survey:
    network, pipeline = Exits(unit).eval(), Plainly()
    policy: Any = parse_policy(network.default_policy)
    return Surveyor(network, pipeline, [policy], policy).survey(scenes, lambda *_: None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("unit", "running"),
    [
        ("image", [(1,), (1, 1, 1), (1, 1, 1), (1, 1, 1)]),
        ("pixel", [(1,), (1, 0.5, 0.5), (1, 1, 1), (1, 0.5, 0.5)]),
        ("region", [(1,), (1, 0.5, 0.5), (1, 1, 1), (1, 0.5, 0.5)]),
    ],
)
def test_operations_are_those_of_the_parts_that_ran(
    unit: DecisionUnit, running: list[tuple[float, ...]], scenes: Scenes
) -> None:
    found = surveyed(unit, scenes).policies["confidence>0.9"]
    assert found.macs.tolist() == [PIXELS * sum(STAGE * share + READ for share in shares) for shares in running]
    assert found.stages == [len(shares) for shares in running]


def test_fixed_stages_read_once_and_are_right_from_the_second_on(scenes: Scenes) -> None:
    survey = surveyed("image", scenes)
    assert [set(stage.macs) for stage in survey.fixed] == [{PIXELS * (STAGE * n + READ)} for n in (1, 2, 3)]
    assert [float(mean_iou(stage.matrices.sum(0))) for stage in survey.fixed] == [
        0.25,
        1,
        1,
    ]  # half of one class of two


@pytest.mark.parametrize(
    ("unit", "depths"), [("image", [1, 2, 2, 2]), ("pixel", [1, 1.5, 2, 1.5]), ("region", [1, 1.5, 2, 1.5])]
)
def test_the_oracle_ends_each_part_at_the_first_stage_that_is_right(
    unit: DecisionUnit, depths: list[float], scenes: Scenes
) -> None:
    survey = surveyed(unit, scenes)
    assert survey.oracle.macs.tolist() == [PIXELS * (STAGE * depth + READ) for depth in depths]
    assert float(mean_iou(survey.oracle.matrices.sum(0))) == 1


def test_blocks_are_judged_between_all_low_and_all_high(scenes: Scenes) -> None:
    survey = surveyed("block", scenes)
    low, high = survey.fixed
    assert set(low.macs) == {PIXELS * (STAGE + READ)} and set(high.macs) == {PIXELS * (2 * STAGE + READ)}
    expected = [PIXELS * (STAGE * depth + READ) for depth in (1, 1.5, 2, 1.5)]
    assert survey.policies["signal<0.5"].macs.tolist() == expected == survey.oracle.macs.tolist()


def test_a_shifted_grid_is_asked_under_the_own_policy_and_in_full(scenes: Scenes) -> None:
    """Regions of four pixels shifted by two: 6x6 pixels are scored, and the lower half is hard from row 4 on."""
    mine, whole = surveyed("region", scenes).shifted
    assert set(whole.moved.macs) == {PIXELS * (3 * STAGE + READ)} and len(mine.moved.macs) == len(scenes)
    for way in (mine.plain, mine.moved, whole.plain, whole.moved):
        assert way.matrices.sum((1, 2)).tolist() == [36] * len(scenes)
    assert whole.moved.matrices[1, 1].tolist() == [0, 36] == mine.plain.matrices[1, 1].tolist()
    assert not surveyed("image", scenes).shifted[0].moved.stages, "an image has no grid"


def test_every_stage_has_a_calibration(scenes: Scenes) -> None:
    survey = surveyed("pixel", scenes)
    sure, unsure, late = (1 / (1 + np.exp(-2 * margin)) for margin in (2, 0.5, 1.5))
    expected = [(abs(1 - sure) + unsure) / 2, (abs(1 - sure) + 1 - unsure) / 2, (abs(1 - sure) + 1 - late) / 2]
    assert [stage.error for stage in survey.calibration] == pytest.approx(expected)
