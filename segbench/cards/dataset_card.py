"""The schema of a data set's card: a TOML file with its classes, its splits, and how its files are read."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from segbench.cards.colours import Colour, parse_colour, voc_colour
from segbench.cards.validation import Strict
from segbench.errors import UnknownName

IGNORE = 255
"""Train id of a pixel that counts neither in the loss nor in the score, in every data set."""

MOST_CLASSES = 254
"""Train ids are bytes; 255 is ignored and 254 marks values that mean nothing."""

TARGET = "target"
"""The option that every data set has: the class that is told from all others, as in `camvid:target=road`."""

Channel = Annotated[int, Field(ge=0, le=255)]


def _several(value: Any) -> Any:
    """One text where a list of them is allowed."""
    return [value] if isinstance(value, str) else value


Texts = Annotated[tuple[str, ...], BeforeValidator(_several)]


class ClassEntry(Strict):
    """One class: its name, and the colour it is shown in.

    Where labels hold colours it is also the colour that stands for the class. Without one, the colour is that of the
    VOC colour map.
    """

    name: str = Field(min_length=1)
    colour: tuple[Channel, Channel, Channel] | None = None


class Option(Strict):
    """One choice a reader offers, written `name:option=value`.

    Attributes:
        name: as the user writes it.
        choices: the allowed values; empty where any text the reader understands is allowed.
        meaning: one line for the help.
        default: used where the user says nothing.
    """

    name: str
    choices: tuple[str, ...] = ()
    meaning: str
    default: str


class Crops(Strict):
    """How images are cropped for training and resized for validation.

    Attributes:
        width, height: of a training crop in pixels.
        scale_jitter: range of the magnification; 1: the largest box of the crop's aspect inside the frame fills the
            crop.
        stretch: the frame is stretched to the crop's aspect first.
        short_side: validation keeps the aspect and scales the shorter side to the crop's shorter side, for data sets
            of many sizes; otherwise images are stretched to the crop's size.
        validation: (width, height) at which images are validated instead; None for the crop's size.
    """

    width: int = Field(ge=1)
    height: int = Field(ge=1)
    scale_jitter: tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]] = (1.0, 2.0)
    stretch: bool = False
    short_side: bool = False
    validation: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]] | None = None

    @field_validator("scale_jitter")
    @classmethod
    def _is_a_range(cls, jitter: tuple[float, float]) -> tuple[float, float]:
        if not jitter[0] <= jitter[1] < float("inf"):
            raise ValueError(f"{jitter[0]:g} to {jitter[1]:g} is not a range; write [LOW, HIGH]")
        return jitter


class Files(Strict):
    """Where the images and labels of a user's data set lie.

    Attributes:
        root: the folder that paths start from, relative to the card; `--data-root` takes its place.
        images, labels: patterns of paths, `{split}` for the split's folder, `*` for any part of a name, `**/` for any
            folders. What the wildcards stand for is the sample's name and joins image and label.
        listed: a list file a split: names or image paths, one a line; without patterns, an image and its label a line.
        folders: split -> what stands in the place of `{split}`, where that is not its name.
    """

    root: str = "."
    images: Texts = ()
    labels: Texts = ()
    listed: str = Field("", alias="list")
    folders: Mapping[str, str] = {}

    @model_validator(mode="after")
    def _says_where(self) -> Files:
        if not (self.images or self.listed):
            raise ValueError('write where the images lie, as in images = "images/{split}/*.jpg", or a list file')
        if self.labels and not self.images:
            raise ValueError("labels without images: write both patterns, or a list file with two paths a line")
        counts = {pattern: len(re.findall(r"\*+", pattern)) for pattern in (*self.images, *self.labels)}
        if 0 in counts.values():
            raise ValueError(f"{min(counts, key=counts.__getitem__)!r} has no *, so that it names one file only")
        if len(set(counts.values())) > 1:
            raise ValueError("images and labels need the same wildcards: what these stand for joins the two")
        return self


class Labels(Strict):
    """What the pixels of label files mean.

    Attributes:
        hold: `indices`, whole numbers, or `colours`.
        ignored: values (or colours, `"#000000"`) of pixels that do not count.
        meaning: value (or colour) -> a class's name, its train id or `ignore`; where it is given, only what stands
            there is known. Without it an index is a train id, and a colour its class's.
        other: what becomes of values that are not known: `refuse` them, or `ignore`.
    """

    hold: Literal["indices", "colours"] = "indices"
    ignored: tuple[int | str, ...] = Field((IGNORE,), alias="ignore")
    meaning: Mapping[str, int | str] = Field({}, alias="map")
    other: Literal["refuse", "ignore"] = "refuse"

    @model_validator(mode="before")
    @classmethod
    def _one_ignored_value(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("ignore"), (int, str)):
            return {**data, "ignore": [data["ignore"]]}
        return data


def _names_or_counts(value: Any) -> Any:
    """`["train", "val"]` is `{train = 0, val = 0}`."""
    return dict.fromkeys(value, 0) if isinstance(value, list) else value


class DatasetCard(Strict):
    """What must be known of a data set before any of its files is opened.

    Attributes:
        name: as in `--dataset`, in ledgers and exports.
        title: as the papers write it; the name where there is none.
        entries: the classes in the order of the train ids 0..C-1.
        width, height: usual size in pixels; a hint, many sets vary.
        splits: the parts a split is made of (`train+val` joins two), with the official number of images (0: varies).
        home, citation, terms: where it lives, what to cite, what its licence allows in short.
        download: what to fetch and from where, for a user who has nothing.
        layout: the folders a reader expects below the root, one layout a paragraph.
        markers: paths (globs) one of which exists below every root of this data set.
        folders: usual names of the root's own folder, compared without case, `-`, `_` and blanks.
        options: what the reader can be told.
        mirrored: names of the classes that change places when an image is mirrored (left arm, right arm).
        crops: of training and validation; None where any size is as good.
        reader: module of `segbench.data` that reads a built-in data set.
        files, labels: of a user's data set, in a reader's place.
    """

    name: str
    title: str = ""
    entries: tuple[ClassEntry, ...] = Field(alias="classes", min_length=1, max_length=MOST_CLASSES)
    width: int = Field(ge=1)
    height: int = Field(ge=1)
    splits: Annotated[Mapping[str, Annotated[int, Field(ge=0)]], BeforeValidator(_names_or_counts)] = {
        "train": 0,
        "val": 0,
    }
    home: str = ""
    citation: str = ""
    terms: str = ""
    download: str = ""
    layout: str = ""
    markers: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    options: tuple[Option, ...] = Field((), alias="option")
    mirrored: tuple[tuple[str, str], ...] = Field((), alias="flip_pairs")
    crops: Crops | None = None
    reader: str = ""
    files: Files | None = None
    labels: Labels = Labels()

    @field_validator("name")
    @classmethod
    def _is_a_name(cls, name: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9][\w.-]{0,63}", name, re.ASCII) or name.endswith(".toml"):
            raise ValueError(f"{name!r} is not a name; write at most 64 letters, digits, '-', '_' and '.'")
        return name

    @field_validator("splits")
    @classmethod
    def _can_be_joined(cls, splits: Mapping[str, int]) -> Mapping[str, int]:
        for name in splits:
            if not re.fullmatch(r"[\w.-]+", name):
                raise ValueError(f"{name!r} is not a split's name; write letters, digits, '-', '_' and '.'")
        if not splits:
            raise ValueError('name at least one split, as in splits = ["train", "val"]')
        return splits

    @model_validator(mode="after")
    def _hangs_together(self) -> DatasetCard:
        names = self.class_names
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two classes are called {twice[0]!r}")
        strangers = [name for pair in self.mirrored for name in pair if name not in names]
        if strangers:
            raise ValueError(f"key 'flip_pairs': there is no class {strangers[0]!r}")
        if bool(self.reader) == bool(self.files):
            raise ValueError("a card needs a table [files] that says where images and labels lie")
        _ = self.stored_labels
        return self

    @property
    def class_names(self) -> tuple[str, ...]:
        """In the order of the train ids."""
        return tuple(entry.name for entry in self.entries)

    @property
    def palette(self) -> tuple[Colour, ...]:
        """The display colour of each class, same order."""
        return tuple(entry.colour or voc_colour(index + 1) for index, entry in enumerate(self.entries))

    @property
    def flip_pairs(self) -> tuple[tuple[int, int], ...]:
        """Train ids that change places when an image is mirrored."""
        return tuple((self.class_names.index(one), self.class_names.index(other)) for one, other in self.mirrored)

    @property
    def classes(self) -> int:
        """How many classes a network for it distinguishes; ignored pixels are not a class."""
        return len(self.entries)

    @property
    def needs_files(self) -> bool:
        """Whether it lies on a disk; the synthetic set does not."""
        return bool(self.markers or self.files)

    @property
    def stored_labels(self) -> dict[int | Colour, int]:
        """Every value (or colour) that a user's label files may hold -> its train id, 255 to ignore it.

        Raises:
            ValueError: a value, colour or class that does not exist.
        """
        coloured = self.labels.hold == "colours"
        known: dict[int | Colour, int] = dict.fromkeys(map(self._stored, self._usual_ignored()), IGNORE)
        if self.labels.meaning:
            known |= {self._stored(value): self._train_id(name) for value, name in self.labels.meaning.items()}
        elif coloured:
            known |= {colour: index for index, colour in enumerate(self.palette)}
        else:
            known |= {index: index for index in range(self.classes)}
        return known

    def _usual_ignored(self) -> tuple[int | str, ...]:
        """The values that are ignored; 255, the default, is no colour."""
        usual = self.labels.hold == "colours" and self.labels.ignored == (IGNORE,)
        return () if usual else self.labels.ignored

    def _stored(self, value: int | str) -> int | Colour:
        if self.labels.hold == "colours":
            colour = parse_colour(str(value))
            if colour is None:
                raise ValueError(f'key \'labels\': {value!r} is not a colour; write "#804080" or "128 64 128"')
            return colour
        if not str(value).isdecimal() or int(value) > _LARGEST_INDEX:
            raise ValueError(
                f"key 'labels': {value!r} is not a label's value; write a whole number 0..{_LARGEST_INDEX}"
            )
        return int(value)

    def _train_id(self, meaning: int | str) -> int:
        if meaning == "ignore" or meaning == IGNORE:
            return IGNORE
        if meaning in self.class_names:
            return self.class_names.index(str(meaning))
        if isinstance(meaning, int) and 0 <= meaning < self.classes:
            return meaning
        raise ValueError(f"key 'labels.map': there is no class {meaning!r}; write a class's name, its number or ignore")

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

    def against_rest(self, target: str) -> DatasetCard:
        """The same images with two classes: `rest`, and one of the card's."""
        entries = (ClassEntry(name="rest", colour=(0, 0, 0)), self.entries[self.class_names.index(target)])
        return self.model_copy(update={"entries": entries, "mirrored": ()})

    def settle(self, options: Mapping[str, object]) -> dict[str, str]:
        """Every option of the reader with the user's value or its default, checked; and `target` where it is given.

        Raises:
            UnknownName: an option or a value that does not exist.
        """
        target = Option(name=TARGET, choices=self.class_names, meaning="one class against the rest", default="")
        known = {option.name: option for option in (*self.options, target)}
        for name, value in options.items():
            if name not in known:
                raise UnknownName(f"option of {self.name}", name, known)
            if known[name].choices and str(value) not in known[name].choices:
                raise UnknownName(f"value of {self.name}'s option {name}", str(value), known[name].choices)
        asked = known if TARGET in options else known.keys() - {TARGET}
        return {name: str(options.get(name, known[name].default)) for name in known if name in asked}

    def hash(self) -> str:
        """Changes with whatever decides a sample or a measurement; not with titles, colours shown, or the place."""
        text = self.model_dump_json(
            include={"splits", "mirrored", "crops", "files", "labels"}, exclude={"files": {"root"}}
        )
        facts = f"{text} {self.class_names} {sorted(self.stored_labels.items(), key=str)}"
        return hashlib.sha256(facts.encode()).hexdigest()[:8]


_LARGEST_INDEX = 65535
"""Of a label file with 16 bits a pixel."""
