"""CamVid: SegNet's copy (480x360, 11 classes) and the original one (960x720, 32 colours)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from segbench.cards.datasets import IGNORE, Colour, DatasetCard
from segbench.data.listing import Matched, join, match, names_in, read_lines
from segbench.data.source import AbsentSplit, Source
from segbench.data.tables import ColourTable, identity_table
from segbench.errors import DataError

_VOID = 11
"""Void in SegNet's label files."""

_STILLS, _LABELS = "701_StillsRaw_full", "LabeledApproved_full"

_COLOURS: dict[str, Colour] = {
    "Animal": (64, 128, 64),
    "Archway": (192, 0, 128),
    "Bicyclist": (0, 128, 192),
    "Bridge": (0, 128, 64),
    "Building": (128, 0, 0),
    "Car": (64, 0, 128),
    "CartLuggagePram": (64, 0, 192),
    "Child": (192, 128, 64),
    "Column_Pole": (192, 192, 128),
    "Fence": (64, 64, 128),
    "LaneMkgsDriv": (128, 0, 192),
    "LaneMkgsNonDriv": (192, 0, 64),
    "Misc_Text": (128, 128, 64),
    "MotorcycleScooter": (192, 0, 192),
    "OtherMoving": (128, 64, 64),
    "ParkingBlock": (64, 192, 128),
    "Pedestrian": (64, 64, 0),
    "Road": (128, 64, 128),
    "RoadShoulder": (128, 128, 192),
    "Sidewalk": (0, 0, 192),
    "SignSymbol": (192, 128, 128),
    "Sky": (128, 128, 128),
    "SUVPickupTruck": (64, 128, 192),
    "TrafficCone": (0, 0, 64),
    "TrafficLight": (0, 64, 64),
    "Train": (192, 64, 128),
    "Tree": (128, 128, 0),
    "Truck_Bus": (192, 128, 192),
    "Tunnel": (64, 0, 64),
    "VegetationMisc": (192, 192, 0),
    "Void": (0, 0, 0),
    "Wall": (64, 192, 0),
}
"""The 32 colours of the original labels (label_colors.txt)."""

_GROUPINGS: dict[str, dict[str, str]] = {
    "grouped": {
        "sky": "Sky",
        "building": "Building Wall Bridge Tunnel Archway",
        "pole": "Column_Pole TrafficCone",
        "road": "Road LaneMkgsDriv LaneMkgsNonDriv",
        "pavement": "Sidewalk ParkingBlock RoadShoulder",
        "tree": "Tree VegetationMisc",
        "sign": "SignSymbol Misc_Text TrafficLight",
        "fence": "Fence",
        "car": "Car SUVPickupTruck Truck_Bus Train OtherMoving",
        "pedestrian": "Pedestrian Child CartLuggagePram Animal",
        "bicyclist": "Bicyclist MotorcycleScooter",
    },
    "strict": {
        "sky": "Sky",
        "building": "Building",
        "pole": "Column_Pole",
        "road": "Road LaneMkgsDriv LaneMkgsNonDriv RoadShoulder",
        "pavement": "Sidewalk",
        "tree": "Tree",
        "sign": "SignSymbol",
        "fence": "Fence",
        "car": "Car SUVPickupTruck Truck_Bus Train",
        "pedestrian": "Pedestrian Child",
        "bicyclist": "Bicyclist",
    },
}
"""Two ways in the wild to make 11 classes of 32, all others void: MATLAB's example merges, Vidlu's keeps namesakes.

SegNet's own labels have nearly as little void as the 32-colour ones, which speaks for `grouped` (our inference)."""


def find(card: DatasetCard, root: Path, split: str, options: Mapping[str, str]) -> Source:
    """The pairs of a split, e.g. `train` (367), `train+val` (468).

    Raises:
        DataError: neither layout is there, or a list is missing.
    """
    layout = options["layout"]
    if layout == "auto":
        layout = "original" if (root / _LABELS).is_dir() and not (root / "trainannot").is_dir() else "segnet"
    parts = card.parts(split)
    if layout == "segnet":
        pairs, broken = join(_segnet_part(card, root, part) for part in parts)
        return Source(card, split, layout, pairs, identity_table(card.classes, ignored=[_VOID]), broken)
    pairs, broken = join(_original_part(card, root, part) for part in parts)
    grouping = options["grouping"]
    table = grouping_table(grouping, card.class_names)
    return Source(card, split, layout, pairs, table, broken, {"grouping": grouping})


def grouping_table(grouping: str, class_names: tuple[str, ...]) -> ColourTable:
    """Train ids of the 32 colours under the grouping `grouped` or `strict`."""
    merged = {
        original: class_names.index(name)
        for name, originals in _GROUPINGS[grouping].items()
        for original in originals.split()
    }
    return ColourTable.of({colour: merged.get(name, IGNORE) for name, colour in _COLOURS.items()})


def segnet_part(name: str) -> str:
    """The part of SegNet's split that a frame of the original set belongs to, told from its name.

    The rule reproduces SegNet's lists: sequence 0006R0 and the frames of 0016E5 taken once a second train; the 101
    frames of 0016E5 taken 15 times a second (07959, 07961 ... 08159) validate; Seq05VD tests; 0001TP trains up to
    frame 8520 and tests from 8550.

    Raises:
        DataError: no frame of CamVid.
    """
    found = re.fullmatch(r"(0001TP|0006R0|0016E5|Seq05VD)_f?(\d+)", name)
    if found is None:
        raise DataError(f"{name!r} is not the name of a CamVid frame, so its split is unknown; add list files to say")
    sequence, frame = found[1], int(found[2])
    if sequence == "0001TP":
        return "train" if frame <= 8520 else "test"
    if sequence == "0016E5":
        return "val" if 7959 <= frame <= 8159 else "train"
    return "train" if sequence == "0006R0" else "test"


def _segnet_part(card: DatasetCard, root: Path, part: str) -> Matched:
    """A list's lines carry the authors' own folder (`/SegNet/CamVid/train/X.png ...`): only base names are used."""
    listed = root / f"{part}.txt"
    images, labels = root / part, root / f"{part}annot"
    if not listed.is_file() and not labels.is_dir():
        raise AbsentSplit(card, part, root, f"{part}.txt, {part}/ and {part}annot/")
    return match(images, labels, read_lines(listed) if listed.is_file() else None)


def _original_part(card: DatasetCard, root: Path, part: str) -> Matched:
    listed = root / f"{part}.txt"
    if listed.is_file():
        names = read_lines(listed)
    else:
        found = names_in(root / _STILLS, ".png") | names_in(root / _LABELS, "_L.png")
        names = [name for name in sorted(found) if segnet_part(name) == part]
    if not names:
        raise AbsentSplit(card, part, root, f"frames of it in {_STILLS}, or their names in {part}.txt")
    return match(root / _STILLS, root / _LABELS, names, ending="_L.png")
