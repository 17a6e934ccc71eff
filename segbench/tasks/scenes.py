"""What a task tells of a network whose cost depends on the image."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean

import numpy as np

from segbench.records.case import Case, Json
from segbench.records.dataset_spec import DatasetSpec


def cost_varies(case: Case, consequence: str) -> str:
    """A note.

    Args:
        case: with the data set whose images were taken.
        consequence: for the numbers, as a clause.
    """
    name = DatasetSpec.parse(case.dataset or "synthetic").name
    return f"{case.model}: what it costs depends on the image (here of {name}, {case.split}): {consequence}"


def spread_over_scenes(values: Sequence[float]) -> dict[str, Json]:
    """Of one value a scene, as details of a measurement; nothing of none."""
    if not values:
        return {}
    low, high = np.percentile(values, (5, 95))
    return {"scenes": {"mean": mean(values), "p5": float(low), "p95": float(high)}}
