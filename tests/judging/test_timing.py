from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from segbench.adaptive.decisions import Everything
from segbench.judging.rows import time_row
from segbench.judging.timing import TimedWay, time_in_turns
from segbench.meters.stopwatch import HostStopwatch
from tests.judging.conftest import Exits, Plainly

if TYPE_CHECKING:
    from tests.judging.conftest import Scenes


def test_every_batch_is_timed_once_under_every_policy_and_shared_among_its_images(scenes: Scenes) -> None:
    now, told, pipeline = iter(range(1000)), list[int](), Plainly()
    shown: Any = pipeline
    watch = HostStopwatch(lambda: float(next(now)))
    found = time_in_turns(Exits("image"), scenes, shown, [Everything(1), Everything()], 3, watch, told.append)
    for own in found:
        assert np.array_equal(own.seconds, [1 / 3, 1]), "a clock that ticks once a call; batches of 3 and 1"
        assert own.mean == 2 / 4, "the last batch weighs as one image of four"
    saved = time_row("own", TimedWay(found[0].seconds * [1, 0.5], found[0].images), found[1], 3, "measured:host")
    assert saved.detail["saved"]["value"] == 0.25 and saved.detail["mean"] == 1.5 / 4
    assert told == [3, 4]
    assert next(now) == 2 * (2 + 2 + 2), "two policies, on two batches, of which the first is made once more to warm up"
