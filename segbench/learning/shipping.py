"""Puts trained weights beside a card: a checkpoint in half precision, with its hash and the command that made it."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

from torch import Tensor

from segbench.errors import CheckpointError
from segbench.learning.checkpoint import Checkpoint, read_checkpoint, save_checkpoint
from segbench.learning.weights import inference_weights

MOST_SHIPPED_BYTES = 2_000_000
"""Of a file in the repository and the wheel; larger ones belong behind a URL."""


def ship_weights(checkpoint: Path, card: Path, command: str) -> Path:
    """Writes `CARD.safetensors` beside `CARD.toml`, and the card's `[weights]` section anew.

    The file is a checkpoint like any other, so `--checkpoint` takes it. Half precision keeps 11 bits of a weight.

    Args:
        checkpoint: a `best.safetensors` of a run.
        card: the TOML file; a `[weights]` section must be its last.
        command: what made the checkpoint.

    Returns:
        The file of weights.

    Raises:
        CheckpointError: no such checkpoint, or too many weights to ship.
    """
    trained = read_checkpoint(checkpoint)
    halved = {name: _halved(value) for name, value in inference_weights(trained).items()}
    size = sum(value.nbytes for value in halved.values())
    if size > MOST_SHIPPED_BYTES:
        raise CheckpointError(
            f"{checkpoint} has {size} bytes in half precision; at most {MOST_SHIPPED_BYTES} are shipped"
        )
    target = card.with_suffix(".safetensors")
    save_checkpoint(Checkpoint(halved, trained.facts), target)
    target.chmod(0o644)
    target.with_suffix(".json").unlink()  # the card and the file's own header say the same
    card.write_text(_with_weights(card.read_text(encoding="utf-8"), target, command), encoding="utf-8")
    return target


def _halved(value: Tensor) -> Tensor:
    return value.half() if value.is_floating_point() else value


def _with_weights(text: str, target: Path, command: str) -> str:
    text = re.sub(r"\n*\[weights\][^\[]*\Z", "", text).rstrip("\n")
    digest = hashlib.sha256(target.read_bytes()).hexdigest()
    lines = [f'path = "{target.name}"', f'sha256 = "{digest}"', f"command = {json.dumps(command)}"]
    return "\n".join([text, "", "[weights]", *lines, ""])
