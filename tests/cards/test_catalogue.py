from __future__ import annotations

from pathlib import Path

import pytest

from segbench.cards import catalogue
from segbench.cards.catalogue import card_names, model_sets, models_folder
from segbench.cards.model import find_model, find_models
from segbench.cards.sources import LIBRARIES
from segbench.cards.spec import OPTIMISATIONS
from segbench.errors import CardError, UnknownName
from segbench.memory_optimisations.switches import SWITCHES

TABLE2 = ["unet", "pspnet", "deeplabv3", "hrnetv2", "baseline", "segnode"]


def test_the_sets_name_existing_cards() -> None:
    assert model_sets()["table2"] == TABLE2
    assert model_sets()["all"] == card_names()
    assert all(find_model(name).card.title for members in model_sets().values() for name in members)


def test_the_networks_people_compare_come_from_libraries() -> None:
    found = find_models(["common"])
    assert len(found) == 15 and {model.spec.source for model in found} <= {library.name for library in LIBRARIES}


def test_every_card_of_the_catalogue_is_valid() -> None:
    assert all(find_model(name).card.title for name in card_names())


def test_a_set_unfolds_in_order_and_each_network_comes_once() -> None:
    assert [model.name for model in find_models(["hrnetv2", "table2"])] == [
        "hrnetv2",
        *(m for m in TABLE2 if m != "hrnetv2"),
    ]


def test_a_typing_mistake_is_answered_with_the_near_name() -> None:
    with pytest.raises(UnknownName, match="unet"):
        find_model("unnet")


def test_a_card_and_a_class_of_the_users_are_found_by_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text('title = "Mine"\nbuilder = "segbench.zoo.unet:UNet"\n')
    Path("net.py").write_text("class Net: ...\n")
    assert find_model("mine.toml").spec.text == str(tmp_path / "mine.toml")
    assert find_model("net.py:Net").card.builder == f"{tmp_path / 'net.py'}:Net"
    assert find_model("package.module:Net").card.builder == "package.module:Net"


def test_files_of_one_name_are_told_apart_by_their_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for place in ("a/old/net.py", "b/old/net.py", "new/net.py"):
        Path(place).parent.mkdir(parents=True)
        Path(place).write_text("class Net: ...\n")
    Path("unet.toml").write_text('title = "Mine"\nbuilder = "segbench.zoo.unet:UNet"\n')
    names = [model.name for model in find_models(["new/net.py:Net", "a/old/net.py:Net", "b/old/net.py:Net"])]
    assert names == ["new/net.py:Net", "a/old/net.py:Net", "b/old/net.py:Net"]
    assert [model.name for model in find_models(["unet", "unet.toml"])] == ["unet", f"{tmp_path.name}/unet"]
    assert [model.name for model in find_models(["new/net.py:Net", "./new/net.py:Net"])] == ["net.py:Net"]


def test_another_text_of_a_users_file_is_another_network(tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    path.write_text("class Net: ...\n")
    before = find_model(f"{path}:Net").card.hash()
    assert find_model(f"{path}:Net").card.hash() == before
    path.write_text("class Net: deeper = True\n")
    assert find_model(f"{path}:Net").card.hash() != before


def test_memory_switches_follow_with_a_plus() -> None:
    model = find_model("hrnetv2+recompute+checkpoint")
    assert (model.name, model.optimisations) == ("hrnetv2+recompute+checkpoint", ("recompute", "checkpoint"))
    assert model.card == find_model("hrnetv2").card


def test_the_switches_of_the_catalogue_are_those_with_code() -> None:
    assert list(OPTIMISATIONS) == list(SWITCHES)


@pytest.mark.parametrize("spec", ["missing.py:Net", "net.py:", ":Net", "a b:Net", "x.toml"])
def test_what_cannot_be_found_is_the_users_mistake(spec: str) -> None:
    with pytest.raises(CardError):
        find_model(spec)


def test_a_missing_catalogue_is_an_error_and_not_an_empty_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "__file__", str(tmp_path / "segbench" / "cards" / "catalogue.py"))
    with pytest.raises(CardError, match="missing"):
        models_folder()
