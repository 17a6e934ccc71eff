"""The data of the viewer that paints where an adaptive network has spent its computation.

The pictures travel inside the ledger. The task `adaptive` puts them into the `detail` of its `miou` measurements (one a
policy, `factors["policy"]`), for a few images only:

    detail["pictures"]      = {NAME: {"photo": PNG, "truth": PNG}}     on the row of the whole network
    detail["depth_legend"]  = {WORDS: [r, g, b], ...}                  there too, what each colour means
    detail["depths"]        = {NAME: {"depth": PNG, "labels": PNG}}    on the row of every policy and of the oracle

`depth` has a pixel for every part that is decided about, in the colour of the stage after which it had finished; of a
lattice of paths a pixel for every cell, in the colour of the number of paths taken.

Only synthetic scenes may be embedded: pages are made to be published, the data sets' images may not be. Pictures of an
entry whose data set is not the synthetic one are left out here, whatever the ledger holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
        legend: what a colour means -> CSS colour.
    """

    label: str
    ways: Sequence[Way]
    photos: dict[str, str]
    legend: Mapping[str, str]


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
    colours: Mapping[str, Json] = whole.detail("miou", "depth_legend") or {}
    legend = {words: f"rgb({red} {green} {blue})" for words, (red, green, blue) in colours.items()}
    return DepthView(label, sorted(shown, key=lambda way: way.macs or 0.0), photos, legend)


def depths_of(way: Way) -> dict[str, Json]:
    """By an image's name: `depth` and `labels` as base64 PNGs."""
    return way.detail("miou", "depths") or {}
