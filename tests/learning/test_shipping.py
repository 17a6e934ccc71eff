from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch

from segbench.cards.card import read_card
from segbench.errors import CheckpointError
from segbench.learning.checkpoint import Checkpoint, read_checkpoint, save_checkpoint
from segbench.learning.shipping import MOST_SHIPPED_BYTES, ship_weights

CARD = 'title = "net"\nbuilder = "a.b:Net"\n\n[recipe]\nlr = 0.1\n'


def test_the_card_gains_the_hash_of_a_checkpoint_in_half_precision(tmp_path: Path) -> None:
    card = tmp_path / "net.toml"
    card.write_text(CARD)
    made = Checkpoint({"weight": torch.tensor([1.0, 1e-3]), "count": torch.tensor(3)}, {"model": "net", "classes": 11})
    save_checkpoint(made, tmp_path / "best.safetensors")
    for command in ("segbench train -m net", 'segbench train -m "net"'):  # again replaces the section
        target = ship_weights(tmp_path / "best.safetensors", card, command)
    weights = read_card(card).weights
    assert weights is not None and weights.path == target.name == "net.safetensors"
    assert weights.sha256 == hashlib.sha256(target.read_bytes()).hexdigest()
    assert weights.command == 'segbench train -m "net"'
    found = read_checkpoint(target)
    assert found.tensors["weight"].dtype == torch.float16 and found.tensors["count"].dtype == torch.int64
    assert found.facts["classes"] == 11
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        ["best.json", "best.safetensors", "net.safetensors", "net.toml"]
    )


def test_large_networks_are_not_shipped(tmp_path: Path) -> None:
    card = tmp_path / "net.toml"
    card.write_text(CARD)
    save_checkpoint(Checkpoint({"weight": torch.zeros(MOST_SHIPPED_BYTES // 2 + 1)}, {}), tmp_path / "best.safetensors")
    with pytest.raises(CheckpointError, match="at most 2000000"):
        ship_weights(tmp_path / "best.safetensors", card, "")
    assert card.read_text() == CARD
