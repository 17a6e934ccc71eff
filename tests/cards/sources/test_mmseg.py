from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from segbench.cards.card import InputSize
from segbench.cards.model import find_model
from segbench.cards.sources.mmseg_config import config_paths
from segbench.errors import CardError, UnknownName
from segbench.libraries.mmseg import names as build_names

CONFIG = """
crop_size = (32, 64)
model = dict(type='EncoderDecoder', decode_head=dict(num_classes=19))
optim_wrapper = dict(
    type='AmpOptimWrapper', optimizer=dict(type='AdamW', lr=6e-5, weight_decay=0.02), clip_grad=dict(max_norm=0.1))
param_scheduler = [dict(type='LinearLR', begin=0, end=1500, by_epoch=False), dict(type='PolyLR', power=1.0)]
train_dataloader = dict(batch_size=3)
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package with one config."""
    folder = tmp_path / "mmseg" / ".mim" / "configs" / "fcn"
    folder.mkdir(parents=True)
    (tmp_path / "mmseg" / "__init__.py").touch()
    (folder / "fcn_tiny.py").write_text(CONFIG)
    monkeypatch.syspath_prepend(tmp_path)
    config_paths.cache_clear()
    yield folder / "fcn_tiny.py"
    config_paths.cache_clear()


def test_crop_batch_and_optimizer_of_a_config_become_the_cards(installed: Path) -> None:
    card = find_model("mmseg:fcn_tiny").card
    recipe = card.recipe
    assert (card.input, card.own_conditions) == (InputSize(width=64, height=32), True)
    assert (recipe.optimizer, recipe.lr, recipe.weight_decay, recipe.batch_size) == ("adamw", 6e-5, 0.02, 3)
    assert (recipe.schedule, recipe.power, recipe.warmup_steps, recipe.clip) == ("poly", 1.0, 1500, 0.1)
    assert "--precision fp16" in card.note


def test_configs_are_listed_and_near_names_suggested(installed: Path) -> None:
    assert build_names()["network"] == ["fcn_tiny"]
    with pytest.raises(UnknownName, match="did you mean fcn_tiny"):
        find_model("mmseg:fcn_tinny")


def test_a_config_by_path_is_another_network_once_it_is_edited(installed: Path) -> None:
    before = find_model(f"mmseg:{installed}")
    installed.write_text(CONFIG.replace("19", "20"))
    after = find_model(f"mmseg:{installed}")
    assert (before.name, before.spec.file) == ("mmseg:fcn_tiny.py", installed)
    assert before.card.hash() != after.card.hash()


def test_without_the_library_the_command_to_install_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segbench.cards.sources.mmseg.config_paths", dict)
    with pytest.raises(CardError, match="pip install mmsegmentation"):
        find_model("mmseg:fcn_tiny")


def test_a_config_whose_recipe_cannot_be_is_refused(installed: Path) -> None:
    installed.write_text(CONFIG.replace("lr=6e-5", "lr=0"))
    with pytest.raises(CardError, match=r"config .*fcn_tiny.py: key 'lr'"):
        find_model("mmseg:fcn_tiny")


@pytest.mark.parametrize("text", ["crop_size = 3", "model = None", "model = dict(type='EncoderDecoder')"])
def test_a_config_without_a_network_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "data.py").write_text(text)
    with pytest.raises(CardError, match="no model with a decode_head"):
        find_model(f"mmseg:{tmp_path / 'data.py'}")
