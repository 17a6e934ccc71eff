"""Configs of the installed mmsegmentation."""

from __future__ import annotations

import pytest

from segbench.cards.model import find_model
from segbench.cards.sources.mmseg_config import config_paths, read_config

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
