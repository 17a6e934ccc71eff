"""Ten of mmsegmentation's networks, traced here, against the memory that their authors measured on GPUs."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.published.reasons import NOT_TRACED, reason
from benchmarks.published_memory import LIMIT, Published, published, subset, traced

pytestmark = pytest.mark.libraries

TRACED = [item for item in published() if not item.config.startswith(tuple(NOT_TRACED))]


@pytest.mark.parametrize("item", subset(TRACED, 10), ids=lambda item: item.family)
def test_a_traced_step_meets_the_published_number_or_the_number_is_known_to_be_odd(
    item: Published, tmp_path: Path
) -> None:
    [network], untraced = traced([item], tmp_path)
    assert not untraced
    assert (abs(network.ratio - 1) > LIMIT) == (reason(item.config) != "unexplained")


def test_what_was_traced_is_not_traced_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = [item for item in TRACED if item.config.startswith("unet-s5-d16_fcn_4xb4-40k_stare")]
    ratios = [traced(small, tmp_path)[0][0].ratio for _ in range(2)]
    assert ratios[0] == ratios[1]
    assert capsys.readouterr().out.count(small[0].config) == 1
