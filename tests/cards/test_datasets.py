from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from segbench.cards.colours import voc_colour
from segbench.cards.data_roots import config_file, find_root
from segbench.cards.datasets import DATASETS, DatasetCard, dataset_card, read_dataset_spec
from segbench.errors import DataError, UnknownName, UserError

CLASSES = {
    "synthetic": 11,
    "camvid": 11,
    "cityscapes": 19,
    "lip": 20,
    "pascal-context-59": 59,
    "pascal-context-60": 60,
    "ade20k": 150,
}


@pytest.fixture(autouse=True)
def no_places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing is configured unless a test does it."""
    monkeypatch.delenv("SEGBENCH_DATA", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def test_every_data_set_has_its_published_number_of_classes() -> None:
    assert {name: card.classes for name, card in DATASETS.items()} == CLASSES


@pytest.mark.parametrize("card", DATASETS.values(), ids=list(DATASETS))
def test_every_card_is_whole(card: DatasetCard) -> None:
    assert len(card.palette) == card.classes == len(set(card.class_names))
    assert len(set(card.palette)) == card.classes, "two classes would look alike"
    assert all(0 <= channel <= 255 for colour in card.palette for channel in colour)
    assert all(option.default in option.choices or not option.choices for option in card.options)
    assert card.home
    assert card.citation
    assert card.download
    assert card.layout
    assert all(folder == folder.lower().replace("-", "").replace("_", "") for folder in card.folders)


def test_flip_pairs_name_a_left_and_a_right() -> None:
    for card in DATASETS.values():
        for left, right in card.flip_pairs:
            assert card.class_names[left].replace("left", "right") == card.class_names[right]


def test_the_voc_colour_map_is_the_known_one() -> None:
    assert [voc_colour(index) for index in (0, 1, 2, 15, 20)] == [
        (0, 0, 0),
        (128, 0, 0),
        (0, 128, 0),
        (192, 128, 128),
        (0, 64, 128),
    ]


def test_pascal_names_are_alphabetical_but_for_the_quirks_of_their_ids() -> None:
    quirk = {"table": "diningtable", "bedclothes": "bedcloth"}
    unsorted = [name for name in dataset_card("pascal-context").class_names if name not in quirk]
    assert unsorted == sorted(unsorted)


def test_a_split_is_made_of_parts() -> None:
    card = dataset_card("cityscapes")
    assert card.parts("train+val+coarse") == ("train", "val", "coarse")
    assert card.parts("train + train") == ("train",)
    with pytest.raises(UnknownName, match="no split of cityscapes 'coarze'; did you mean coarse"):
        card.parts("train+coarze")


def test_options_follow_a_colon() -> None:
    card, options = read_dataset_spec("camvid:grouping=strict,layout=original")
    assert card.name == "camvid"
    assert options == {"grouping": "strict", "layout": "original"}
    assert card.settle({}) == {"layout": "auto", "grouping": "grouped"}


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("camvit", "no data set 'camvit'; did you mean camvid"),
        ("nonsense", "known: ade20k, camvid"),
        ("camvid:groping=strict", "no option of camvid 'groping'; did you mean grouping"),
        ("camvid:grouping=loose", "no value of camvid's option grouping 'loose'; known: grouped, strict"),
        ("camvid:strict", "'strict' in 'camvid:strict' is not an option; write camvid:option=value"),
    ],
)
def test_a_mistake_in_a_spec_is_explained(spec: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_dataset_spec(spec)


def test_a_given_root_is_the_data_sets_own_folder_or_holds_it(tmp_path: Path) -> None:
    (tmp_path / "Cam_Vid/trainannot").mkdir(parents=True)
    card = dataset_card("camvid")
    assert find_root(card, tmp_path / "Cam_Vid") == find_root(card, tmp_path) == tmp_path / "Cam_Vid"


def test_the_variable_is_asked_before_the_config_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place in ("variable", "configured"):
        (tmp_path / place / "trainannot").mkdir(parents=True)
    config_file().parent.mkdir(parents=True)
    config_file().write_text(f'[data]\ncamvid = "{tmp_path}/configured"\n')
    card = dataset_card("camvid")
    assert find_root(card).name == "configured"
    monkeypatch.setenv("SEGBENCH_DATA", str(tmp_path / "variable"))
    assert find_root(card).name == "variable"


def test_a_variable_that_holds_other_sets_leaves_the_word_to_the_config_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sets/lip/TrainVal_images").mkdir(parents=True)
    config_file().parent.mkdir(parents=True)
    config_file().write_text(f'[data]\nroot = "{tmp_path}/sets"\n')
    monkeypatch.setenv("SEGBENCH_DATA", str(tmp_path))
    assert find_root(dataset_card("lip")) == tmp_path / "sets/lip"


def test_nothing_found_says_where_what_and_how(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        find_root(dataset_card("cityscapes"), tmp_path / "nowhere")
    text = str(caught.value)
    for part in (
        "nowhere (the given root; there is no such folder)",
        "leftImg8bit_trainvaltest.zip",
        "https://www.city",
    ):
        assert part in text
    assert "gtFine/{train,val,test}/CITY" in text


def test_no_place_at_all_says_how_to_name_one() -> None:
    with pytest.raises(DataError, match=r"give --data-root DIR, set SEGBENCH_DATA, or write .*config.toml"):
        find_root(dataset_card("camvid"))


@pytest.mark.parametrize("content", ["[data", "data = 3", "[data]\ncamvid = 3"])
def test_a_bad_config_file_is_named(content: str) -> None:
    config_file().parent.mkdir(parents=True)
    config_file().write_text(content)
    with pytest.raises(DataError, match=r"the config file .*config\.toml"):
        find_root(dataset_card("camvid"))


def test_the_catalogue_needs_neither_torch_nor_numpy() -> None:
    program = (
        "import sys, segbench.cards.data_roots\n"
        "sys.exit(str({'torch', 'numpy', 'PIL'} & set(sys.modules) or '') or None)"
    )
    child = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert child.returncode == 0, child.stderr
