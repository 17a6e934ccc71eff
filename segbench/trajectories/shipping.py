"""Puts trained weights beside a card: in half precision, with their hash and the command that made them."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import torch
from safetensors.torch import load, save

from segbench.errors import CheckpointError

MOST_BYTES = 2_000_000
"""A file of the repository and of the wheel; larger ones belong behind a URL."""


def ship_weights(checkpoint: Path, card: Path, command: str) -> Path:
    """Writes `CARD.safetensors` beside `CARD.toml` and the card's `[weights]` section anew.

    Half precision keeps 11 bits: on a segmentation network the classes of about one pixel in a thousand change.

    Args:
        checkpoint: a `best.safetensors` of a run, its tensors under the network's own names.
        card: the TOML file; a `[weights]` section must be its last.
        command: what made the checkpoint.

    Returns:
        The file of weights.

    Raises:
        CheckpointError: no such file, or too many weights to ship.
    """
    try:
        tensors = load(checkpoint.read_bytes())
    except OSError as error:
        raise CheckpointError(f"checkpoint {checkpoint} cannot be read: {error.strerror}") from error
    content = save({name: _halved(value) for name, value in sorted(tensors.items())}, metadata={"format": "pt"})
    if len(content) > MOST_BYTES:
        size = f"{len(content)} bytes in half precision"
        raise CheckpointError(f"{checkpoint} has {size}; at most {MOST_BYTES} are shipped, keep larger ones at a URL")
    target = card.with_suffix(".safetensors")
    target.write_bytes(content)
    card.write_text(_with_weights(card.read_text(encoding="utf-8"), target, content, command), encoding="utf-8")
    return target


def _halved(value: torch.Tensor) -> torch.Tensor:
    return value.half().contiguous() if value.is_floating_point() else value.contiguous()


def _with_weights(text: str, target: Path, content: bytes, command: str) -> str:
    text = re.sub(r"\n*\[weights\][^\[]*\Z", "", text).rstrip("\n")
    digest = hashlib.sha256(content).hexdigest()
    lines = [f'path = "{target.name}"', f'sha256 = "{digest}"', f"command = {json.dumps(command)}"]
    return "\n".join([text, "", "[weights]", *lines, ""])
