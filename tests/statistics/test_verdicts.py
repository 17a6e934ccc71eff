"""The five verdicts at their exact tolerances, and the order of networks."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from segbench.statistics.verdicts import VERDICTS, OursAndPaper, judge, judge_order

PAPERS_TEST_TIME = {"unet": 4.0, "pspnet": 5.0, "deeplabv3": 16.0, "hrnetv2": 48.0, "baseline": 49.0, "segnode": 117.0}


@pytest.mark.parametrize(
    ("ours", "verdict"),
    [(20.9e6, "reproduced"), (20.9e6 * 1.005, "reproduced"), (20.9e6 * 0.995, "reproduced"),
     (20.9e6 * 1.0051, "same direction"), (41.9e6, "contradicted"), (70e6, "contradicted")],
)  # fmt: skip
def test_parameters_are_reproduced_within_half_a_percent(ours: float, verdict: str) -> None:
    assert judge("parameters", OursAndPaper(ours, 20.9e6, 65.8e6, 65.8e6)).verdict == verdict


@pytest.mark.parametrize(
    ("ours", "verdict"),
    [(0.43, "reproduced"), (0.473, "reproduced"), (0.387, "reproduced"), (0.474, "same direction"),
     (0.22, "same direction"), (0.215, "same direction"), (0.2149, "contradicted"), (0.87, "contradicted"),
     (1.0, "contradicted"), (1.1, "contradicted")],
)  # fmt: skip
def test_a_ratio_is_reproduced_within_ten_percent_and_keeps_its_direction_within_a_factor_of_two(
    ours: float, verdict: str
) -> None:
    assert judge("ratio", OursAndPaper(ours * 20, 0.43 * 31.1, 20, 31.1)).verdict == verdict


def test_absolute_values_on_other_hardware_do_not_count() -> None:
    assert judge("ratio", OursAndPaper(4.3, 13.4, 10.0, 31.1)).verdict == "reproduced"


def test_a_published_tie_with_the_yardstick_has_no_side() -> None:
    assert judge("ratio", OursAndPaper(1.05, 24, 1.0, 24)).verdict == "reproduced"
    assert judge("ratio", OursAndPaper(1.2, 24, 1.0, 24)).verdict == "contradicted"


@pytest.mark.parametrize(
    ("ours", "verdict"),
    [(0.806, "reproduced"), (0.804, "reproduced"), (0.8149, "same direction"), (0.7, "contradicted")],
)
def test_an_miou_is_reproduced_within_half_a_point(ours: float, verdict: str) -> None:
    assert judge("accuracy", OursAndPaper(ours, 0.809, 0.80, 0.80)).verdict == verdict


def test_what_is_not_there_is_missing_and_says_why() -> None:
    assert judge("ratio", OursAndPaper(None, 48), absence="no device").why == "no device"
    assert judge("ratio", OursAndPaper(3, None)).verdict == "missing"
    assert judge("ratio", OursAndPaper(3, 48, None, 48)).verdict == "missing"


def test_an_obstacle_outweighs_equal_numbers_but_not_a_missing_one() -> None:
    same = OursAndPaper(0.81, 0.81, 0.8, 0.8)
    assert judge("accuracy", same, obstacle="no pretraining").verdict == "not comparable"
    assert judge("accuracy", OursAndPaper(None, 0.81), obstacle="no pretraining").verdict == "missing"


@given(*[st.floats(0.01, 100)] * 5)
def test_the_verdict_knows_no_unit(ours: float, paper: float, mine: float, theirs: float, unit: float) -> None:
    """The two sides may be in different units, as GiB and GB."""
    ratio = (ours / mine) / (paper / theirs)
    assume(all(abs(ratio - edge) > 1e-6 for edge in (0.9, 1.1, 0.5, 2.0)) and abs(ours / mine - 1) > 1e-6)
    plain = judge("ratio", OursAndPaper(ours, paper, mine, theirs)).verdict
    assert plain in VERDICTS
    assert judge("ratio", OursAndPaper(ours * unit, paper, mine * unit, theirs)).verdict == plain


def test_the_papers_own_numbers_are_in_the_papers_order() -> None:
    order = judge_order(PAPERS_TEST_TIME, PAPERS_TEST_TIME)
    assert order.tau == pytest.approx(1)
    assert order.judgement.verdict == "reproduced"


def test_one_swap_of_six_is_counted_by_hand() -> None:
    ours = {**PAPERS_TEST_TIME, "unet": 5.0, "pspnet": 4.0}
    order = judge_order(ours, PAPERS_TEST_TIME)
    assert order.tau == pytest.approx((14 - 1) / 15)
    assert order.swapped == (("unet", "pspnet"),)
    assert order.judgement.verdict == "same direction"


def test_the_reversed_order_is_contradicted() -> None:
    ours: dict[str, float | None] = {name: -value for name, value in PAPERS_TEST_TIME.items()}
    assert judge_order(ours, PAPERS_TEST_TIME).judgement.verdict == "contradicted"


def test_ties_are_no_swaps() -> None:
    paper = {"a": 24.0, "b": 24.0, "c": 36.0, "d": 62.0}
    order = judge_order({"a": 20.0, "b": 30.0, "c": 40.0, "d": 50.0}, paper)
    assert order.judgement.verdict == "reproduced"
    assert order.tau == pytest.approx(5 / 30**0.5)


def test_an_order_needs_three_networks_and_leaves_out_the_missing() -> None:
    ours: dict[str, float | None] = {"unet": 1.0, "segnode": 3.0, "hrnetv2": None}
    order = judge_order(ours, PAPERS_TEST_TIME)
    assert (order.judgement.verdict, order.ranked) == ("missing", 2)


def test_a_column_of_ties_has_no_order() -> None:
    assert judge_order({"a": 1, "b": 2, "c": 3}, {"a": 5, "b": 5, "c": 5}).judgement.verdict == "missing"
