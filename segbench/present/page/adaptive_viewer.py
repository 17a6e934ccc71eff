"""The data of the viewer that paints where an adaptive network has spent its computation.

The pictures travel inside the ledger. The task `adaptive` puts them into the `detail` of its `miou` measurements (one a
policy, `factors["policy"]`), for a few images only:

    detail["pictures"]      = {NAME: {"photo": PNG, "truth": PNG}}     on the row of the whole network
    detail["depth_colours"] = [[r, g, b], ...]                         there too, one a stage
    detail["depths"]        = {NAME: {"depth": PNG, "labels": PNG}}    on the row of every policy and of the oracle

`depth` has a pixel for every part that is decided about, in the colour of the stage after which it had finished.

Only synthetic scenes may be embedded: pages are made to be published, the data sets' images may not be. Pictures of an
entry whose data set is not the synthetic one are left out here, whatever the ledger holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from segbench.present.adaptive_points import Way, ways_of, whole_of
from segbench.present.trajectory_points import labels_of
from segbench.records.case import Json
from segbench.records.ledger import Entry

_PUBLISHABLE = "synthetic"


@dataclass(frozen=True)
class DepthView:
    """One network under its policies.

    Attributes:
        label: network and data set.
        ways: those with pictures, the cheapest first.
        photos: PNG by an image's name.
        colours: of the stages.
    """

    label: str
    ways: Sequence[Way]
    photos: dict[str, str]
    colours: Sequence[tuple[int, int, int]]


def depth_views(entries: Sequence[Entry]) -> list[DepthView]:
    """Every adaptive network of the ledger of which pictures may be shown."""
    own = [entry for entry in entries if entry.case.task == "adaptive"]
    found = (_view(entry, label) for entry, label in zip(own, labels_of(own), strict=True))
    return [view for view in found if view is not None]


def _view(entry: Entry, label: str) -> DepthView | None:
    ways = ways_of(entry)
    whole, shown = whole_of(ways), [way for way in ways if depths_of(way)]
    if (entry.case.dataset or "").partition(":")[0] != _PUBLISHABLE or whole is None or not shown:
        return None
    photos = {name: item["photo"] for name, item in (whole.detail("miou", "pictures") or {}).items()}
    colours = [(red, green, blue) for red, green, blue in whole.detail("miou", "depth_colours") or ()]
    return DepthView(label, sorted(shown, key=lambda way: way.macs or 0.0), photos, colours)


def depths_of(way: Way) -> dict[str, Json]:
    """By an image's name: `depth` and `labels` as base64 PNGs."""
    return way.detail("miou", "depths") or {}
