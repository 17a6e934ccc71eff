"""Configs of the installed mmsegmentation."""

from __future__ import annotations

from pathlib import Path

import pytest

from segbench.cards.model import find_model
from segbench.cards.sources.mmseg_config import config_paths, read_config
from segbench.cards.writing import card_text
from segbench.learning.matching import load_matching
from segbench.workload.network import build_from_card

pytestmark = pytest.mark.libraries


def test_every_config_is_read_as_mmengine_reads_it() -> None:
    from mmengine.config import Config

    keys = ("model", "optim_wrapper", "param_scheduler", "train_dataloader", "crop_size")
    wrong = []
    for name, path in config_paths().items():
        expected, found = Config.fromfile(path, import_custom_modules=False).to_dict(), read_config(path)
        wrong += [(name, key) for key in keys if found.get(key) != expected.get(key)]
    assert len(config_paths()) > 600
    assert wrong == []


def test_every_config_makes_a_card() -> None:
    for name in config_paths():
        assert find_model(f"mmseg:{name}").card.own_conditions


def test_a_written_card_of_a_config_is_the_same_network(tmp_path: Path) -> None:
    name = "mmseg:fast_scnn_8xb4-160k_cityscapes-512x1024"
    (tmp_path / "fast.toml").write_text(card_text(find_model(name), ["mmsegmentation"]))
    assert find_model(str(tmp_path / "fast.toml")).card.hash() == find_model(name).card.hash()


def test_a_checkpoint_of_its_own_training_fills_a_network() -> None:
    network = build_from_card(find_model("mmseg:fast_scnn_8xb4-160k_cityscapes-512x1024").card, 19)
    saved = {name.removeprefix("network."): value for name, value in network.state_dict().items()}
    assert load_matching(network, saved).unmatched() == []
