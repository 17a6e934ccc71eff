from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from segbench.adaptive.decisions import Everything
from segbench.judging.timing import time_in_turns
from segbench.meters.stopwatch import HostStopwatch
from tests.judging.conftest import Exits, Plainly

if TYPE_CHECKING:
    from tests.judging.conftest import Scenes


def test_every_batch_is_timed_once_under_every_policy_and_shared_among_its_images(scenes: Scenes) -> None:
    now, told, pipeline = iter(range(1000)), list[int](), Plainly()
    shown: Any = pipeline
    watch = HostStopwatch(lambda: float(next(now)))
    found = time_in_turns(Exits("image"), scenes, shown, [Everything(1), Everything()], 3, watch, told.append)
    assert np.array_equal(found, [[1 / 3, 1], [1 / 3, 1]]), "a clock that ticks once a call; batches of 3 and 1"
    assert told == [3, 4]
    assert next(now) == 2 * (2 + 2 + 2), "two policies, on two batches, of which the first is made once more to warm up"
