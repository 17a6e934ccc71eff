from __future__ import annotations

from pathlib import Path

import pytest

from segbench.cards.card import ModelCard, Reference, read_card
from segbench.errors import CardError

MINIMAL = 'title = "Net"\nbuilder = "package.module:Net"\n'


def card_file(folder: Path, text: str) -> Path:
    path = folder / "net.toml"
    path.write_text(text)
    return path


def test_title_and_builder_are_enough(tmp_path: Path) -> None:
    card = read_card(card_file(tmp_path, MINIMAL))
    assert card.input.width == 480
    assert card.recipe.optimizer == "sgd"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (MINIMAL + "colour = 1", "unknown key 'colour'; known here: title"),
        (MINIMAL + "[recipe]\nlearning_rate = 1", "unknown key 'recipe.learning_rate'; known here: optimizer, lr"),
        (MINIMAL + "[recipe]\nlr = -1", "recipe.lr"),
        (MINIMAL + '[[reference]]\nquantity = "speed"\nvalue = 1\nunit = "x"\nsource = "y"', "neither a quantity"),
        ('title = "Net"', "builder"),
        ('title = "Net"\nbuilder = "no_colon"', "package.module:Class"),
        ("title = ", "not valid TOML"),
    ],
)
def test_a_wrong_card_is_refused_with_the_key(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(CardError, match=sentence):
        read_card(card_file(tmp_path, text))


def test_a_missing_card_says_so(tmp_path: Path) -> None:
    with pytest.raises(CardError, match="No such file"):
        read_card(tmp_path / "none.toml")


def test_the_hash_follows_what_is_measured_and_not_the_prose() -> None:
    card = ModelCard(title="A", builder="m:N", arguments={"width": 8})
    assert card.model_copy(update={"title": "B", "note": "c"}).hash() == card.hash()
    assert card.model_copy(update={"arguments": {"width": 9}}).hash() != card.hash()


def test_a_reference_is_found_by_name_and_by_family() -> None:
    memory = Reference(quantity="train_peak_memory", value=1, unit="GB", source="T2")
    card = ModelCard(title="A", builder="m:N", reference=(memory,))
    assert card.references_for("train_peak_live_bytes") == [memory]
    assert card.references_for("infer_peak_live_bytes") == []
