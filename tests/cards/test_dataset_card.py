"""A user's own card: what it may say, and the sentence where it may not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from segbench.cards.colours import parse_colour, voc_colour
from segbench.cards.crops import crop_of, crops_of, shown_size
from segbench.cards.data_roots import find_root, places
from segbench.cards.dataset_card import Crops, Files, Labels
from segbench.cards.datasets import DATASETS, dataset_card, read_dataset_spec, settled_spec
from segbench.cards.label_map import read_label_map
from segbench.errors import CardError, DataError, UnknownName

LEAST = """
width = 64
height = 48
classes = [{ name = "road" }, { name = "sky", colour = [1, 2, 3] }]
[files]
images = "images/{split}/*.jpg"
labels = "labels/{split}/*.png"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mine.toml").write_text(LEAST)
    return tmp_path


def _written(folder: Path, text: str, name: str = "mine.toml") -> str:
    (folder / name).write_text(text)
    return str(folder / name)


def test_a_card_needs_little(folder: Path) -> None:
    card = dataset_card(str(folder / "mine.toml"))
    assert (card.name, card.title, card.classes, dict(card.splits)) == ("mine", "mine", 2, {"train": 0, "val": 0})
    assert card.palette == (voc_colour(1), (1, 2, 3))
    assert card.stored_labels == {0: 0, 1: 1, 255: 255}
    assert card.needs_files


def test_its_root_is_beside_the_card_unless_another_is_said(folder: Path) -> None:
    card = dataset_card(str(folder / "mine.toml"))
    assert find_root(card) == folder
    assert [place.folder for place in places(card)] == [folder]
    (folder / "elsewhere").mkdir()
    assert find_root(card, folder / "elsewhere") == folder / "elsewhere"
    with pytest.raises(DataError, match="nowhere is not a folder; give --data-root DIR"):
        find_root(card, folder / "nowhere")


def test_a_relative_name_is_settled_for_the_child(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    settled = settled_spec("mine.toml")
    assert settled == f"mine#{dataset_card('mine.toml').hash()}@{folder / 'mine.toml'}"
    monkeypatch.chdir("/")
    assert dataset_card(settled).name == "mine"
    assert settled_spec(settled) == settled
    assert settled_spec("camvid:grouping=strict") == "camvid:grouping=strict"


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        ("[1, 2, 3]", "[1, 2, 4]", False),
        ("width = 64", 'title = "x"\nwidth = 65', False),
        ('name = "sky"', 'name = "air"', True),
        ("*.jpg", "*.png", True),
        ("[files]", "[labels]\nother = 'ignore'\n[files]", True),
        ("[files]", "[crops]\nwidth = 32\nheight = 32\n[files]", True),
    ],
)
def test_the_hash_changes_with_what_decides_a_sample(folder: Path, old: str, new: str, changes: bool) -> None:
    before = settled_spec(str(folder / "mine.toml"))
    assert old in LEAST
    assert (settled_spec(_written(folder, LEAST.replace(old, new))) != before) == changes


def test_crops_stand_in_the_card(folder: Path) -> None:
    plain = str(folder / "mine.toml")
    assert crop_of(plain) is None
    assert (crops_of(plain).width, crops_of(plain).height) == (64, 48)
    table = "[crops]\nwidth = 32\nheight = 24\nscale_jitter = [0.5, 2]\nvalidation = [64, 48]\n"
    cropped = _written(folder, LEAST.replace("[files]", f"{table}[files]"))
    assert crop_of(cropped) == (32, 24)
    assert crops_of(cropped).scale_jitter == (0.5, 2.0)
    assert shown_size(cropped, (32, 24)) == (64, 48)
    assert shown_size(cropped, (16, 12)) == (16, 12)


def test_labels_are_mapped_by_name_or_number(folder: Path) -> None:
    table = '[labels]\nignore = 0\nmap = { 7 = "road", 8 = 1, 9 = "ignore" }\n'
    assert dataset_card(_written(folder, LEAST + table)).stored_labels == {0: 255, 7: 0, 8: 1, 9: 255}


def test_colours_stand_for_classes(folder: Path) -> None:
    table = '[labels]\nhold = "colours"\nignore = ["#000000"]\n'
    assert dataset_card(_written(folder, LEAST + table)).stored_labels == {
        (0, 0, 0): 255,
        voc_colour(1): 0,
        (1, 2, 3): 1,
    }
    mapped = table + 'map = { "9 8 7" = "sky" }\n'
    assert dataset_card(_written(folder, LEAST + mapped)).stored_labels == {(0, 0, 0): 255, (9, 8, 7): 1}


def test_splits_are_a_list_or_a_table_with_official_numbers(folder: Path) -> None:
    listed = _written(folder, 'splits = ["a", "b"]\n' + LEAST)
    assert dict(dataset_card(listed).splits) == {"a": 0, "b": 0}
    counted = _written(folder, LEAST + "[splits]\na = 12\n")
    assert dict(dataset_card(counted).splits) == {"a": 12}


MISTAKES = {
    "widht = 3\n" + LEAST: "unknown key 'widht'; known here: name, title, classes, width",
    LEAST + "imges = 'x'\n": "unknown key 'files.imges'; known here: root, images, labels, list, folders",
    LEAST + "[crops]\nwide = 3\n": "unknown key 'crops.wide'; known here: width, height, scale_jitter",
    LEAST.replace("colour", "color"): "unknown key 'classes.1.color'; known here: name, colour",
    LEAST.replace("3]", "300]"): "key 'classes.1.colour.2': Input should be less than or equal to 255",
    LEAST.replace("width = 64", ""): "key 'width': Field required",
    LEAST.replace('"sky"', '"road"'): "two classes are called 'road'",
    LEAST.replace("*.png", "a.png"): "'labels/{split}/a.png' has no \\*",
    LEAST.replace("*.png", "*/*.png"): "images and labels need the same wildcards",
    LEAST.replace('images = "images/{split}/*.jpg"', ""): "write where the images lie",
    LEAST + '[labels]\nmap = { 7 = "rode" }\n': "there is no class 'rode'; write a class's name, its number or ignore",
    LEAST + '[labels]\nmap = { -1 = "road" }\n': "'-1' is not a label's value",
    LEAST + '[labels]\nhold = "colours"\nignore = ["blue"]\n': "'blue' is not a colour",
    LEAST + "[crops]\nwidth = 3\nheight = 3\nscale_jitter = [2, 1]\n": "2 to 1 is not a range",
    'name = "my set"\n' + LEAST: "'my set' is not a name",
    'name = "camvid"\n' + LEAST: "'camvid' is a built-in data set; give yours another name",
    'flip_pairs = [["road", "rode"]]\n' + LEAST: "there is no class 'rode'",
    'splits = ["a+b"]\n' + LEAST: "'a\\+b' is not a split's name",
    LEAST.partition("[files]")[0]: "a card needs a table \\[files\\]",
    'reader = "camvid"\n' + LEAST.partition("[files]")[0]: "readers belong to the built-in data sets",
    "width = = 3": "is not valid TOML",
}


@pytest.mark.parametrize("text", MISTAKES)
def test_a_mistake_in_a_card_is_one_sentence_that_names_the_key(folder: Path, text: str) -> None:
    with pytest.raises(CardError, match=MISTAKES[text]) as caught:
        dataset_card(_written(folder, text))
    assert "mine.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_card_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CardError, match=r"data set card .*nowhere.toml cannot be read: No such file"):
        dataset_card(str(tmp_path / "nowhere.toml"))


def test_a_users_set_has_no_options(folder: Path) -> None:
    with pytest.raises(UnknownName, match="no option of mine 'grouping'"):
        read_dataset_spec(f"{folder}/mine.toml:grouping=strict")


def test_every_built_in_set_has_a_reader_and_a_file_of_its_name() -> None:
    for name, card in DATASETS.items():
        assert card.name == name
        assert card.reader


@pytest.mark.parametrize(
    ("text", "colour"),
    [
        ("#804080", (128, 64, 128)),
        ("128 64 128", (128, 64, 128)),
        ("128,64, 128", (128, 64, 128)),
        ("blue", None),
        ("1 2", None),
        ("1 2 256", None),
    ],
)
def test_colours_are_read_as_people_write_them(text: str, colour: tuple[int, int, int] | None) -> None:
    assert parse_colour(text) == colour


DOCUMENTED = Path(__file__).resolve().parents[2] / "docs" / "data_sets.md"


def test_the_documented_cards_are_valid(folder: Path) -> None:
    first, training, label_map = re.findall(r"```toml\n(.*?)```", DOCUMENTED.read_text(), re.S)
    card = dataset_card(_written(folder, first))
    assert (card.name, card.class_names, card.flip_pairs) == ("mine", ("road", "sidewalk", "sky"), ())
    assert ("wall", 0) in read_label_map(str(_written(folder, label_map)), ["building"])
    training = training.replace("left arm", "road").replace("right arm", "sky")
    keys, head, table = training.partition("[crops]")
    cropped = dataset_card(_written(folder, keys + first + head + table))
    assert cropped.flip_pairs == ((0, 2),)
    assert cropped.crops and cropped.crops.validation == (1024, 1024)


def test_every_key_of_a_card_is_documented() -> None:
    text = DOCUMENTED.read_text()
    for schema in (Files, Labels, Crops):
        for name, field in schema.model_fields.items():
            assert re.search(rf"\b{field.alias or name}\b", text), name
