from __future__ import annotations

from pathlib import Path

import pytest

from segbench.cards.model import find_model
from segbench.cards.writing import card_text
from segbench.errors import CardError


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text("from torch import nn\ndef Net(classes, **_): return nn.Conv2d(3, classes, 1)\n")
    return tmp_path / "net.py"


@pytest.mark.parametrize(
    "name",
    [
        "net.py:Net",
        'net.py:Net?names=["a","+"]&pretrained=null&wide=true',
        "smp:Unet?encoder_name=resnet34",
        "mmseg:tiny.py",
    ],
)
def test_a_written_card_is_the_same_network(file: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "tiny.py").write_text("model = dict(decode_head=dict(num_classes=19))\ncrop_size = (32, 64)\n")
    model = find_model(name)
    (tmp_path / "mine.toml").write_text(card_text(model, ["library 1.0"]))
    again = find_model("mine.toml")
    assert again.card.hash() == model.card.hash()
    assert (again.card.arguments, again.card.input) == (model.card.arguments, model.card.input)
    assert again.card.note.startswith("library 1.0") and again.card.title.startswith(model.card.title)
    assert str(tmp_path) not in (tmp_path / "mine.toml").read_text()


def test_arguments_behind_the_cards_name_replace_its_own(file: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('title = "t"\nnetwork = "net.py:Net?a=1&b=2"\n[arguments]\nb = 3\n')
    assert find_model("mine.toml?a=5").card.arguments == {"a": 5, "b": 3}


def test_a_card_finds_the_file_beside_it_from_any_folder(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "mine.toml").write_text(card_text(find_model("net.py:Net"), [], tmp_path))
    (tmp_path / "built.toml").write_text('title = "t"\nbuilder = "net.py:Net"\n')
    monkeypatch.chdir(elsewhere)
    for card in ("mine.toml", "built.toml"):
        assert find_model(f"../{card}").card.builder == f"{file.resolve()}:Net"


@pytest.mark.parametrize("name", ["segnode?steps=8", "net.py:Net+checkpoint"])
def test_what_is_a_card_or_no_part_of_one_is_refused(file: Path, name: str) -> None:
    with pytest.raises(CardError, match=r"is a card already|no part of a card"):
        card_text(find_model(name), [])


@pytest.mark.parametrize("text", ['network = "segnode"', 'network = "net.py:Net"\nbuilder = "a:B"', ""])
def test_a_card_names_one_builder_or_one_network(file: Path, tmp_path: Path, text: str) -> None:
    (tmp_path / "mine.toml").write_text(f'title = "t"\n{text}\n')
    with pytest.raises(CardError, match=r"is no plain network|write what builds it"):
        find_model("mine.toml")
