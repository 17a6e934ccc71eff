"""Checkpoints that survive a kill at any moment: one file holds tensors and facts, and is replaced in one rename.

`last.safetensors` is the state of a training, `previous.safetensors` the one before it, `best.safetensors` the weights
that validated best. The facts (card, plan, step, rng, data fingerprint) stand in the safetensors header, so that
tensors and facts cannot disagree, with one SHA-256 over both; `NAME.json` repeats them for people and for programs that
do not read safetensors.
"""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save_file
from torch import Tensor

from segbench.errors import CheckpointError

_FACTS, _DIGEST = "segbench", "sha256"
"""Keys of the safetensors header."""

CHECKPOINT_FORMAT = 1


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What one file holds.

    Attributes:
        tensors: by name; on the CPU once read.
        facts: whatever JSON carries.
    """

    tensors: Mapping[str, Tensor]
    facts: Mapping[str, Any]

    def part(self, prefix: str) -> dict[str, Tensor]:
        """The tensors below `prefix/`, without it."""
        start = f"{prefix}/"
        return {name.removeprefix(start): value for name, value in self.tensors.items() if name.startswith(start)}


class DamagedCheckpoint(CheckpointError):
    """A file that was a checkpoint once, or is cut short; an older one may still be whole."""


def save_checkpoint(checkpoint: Checkpoint, path: Path, keep_previous: bool = False) -> None:
    """Writes `path` and the `.json` beside it; at every moment the file at `path` is whole.

    Args:
        checkpoint: what to keep.
        path: ends in `.safetensors`.
        keep_previous: what stood at `path` before becomes `previous.safetensors`.

    Raises:
        CheckpointError: the disk is full or the folder cannot be written; what stood before is untouched.
    """
    tensors = _apart(checkpoint.tensors)
    text = json.dumps({**checkpoint.facts, "format": CHECKPOINT_FORMAT}, indent=2, sort_keys=True)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = _beside(path)
        save_file(tensors, fresh, metadata={_FACTS: text, _DIGEST: digest(tensors, text), "format": "pt"})
        _flush(fresh)
        if keep_previous and path.exists():
            _link_over(path, path.with_name(f"previous{path.suffix}"))
        fresh.replace(path)
        _flush(path.parent)
        _replace_text(path.with_suffix(".json"), text + "\n")
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"checkpoint {path} cannot be written: {error}; free the disk or choose -o DIR"
        ) from error


def _apart(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Each in memory of its own, on the host: a module with two names has tensors with two names."""
    found: dict[str, Tensor] = {}
    places: set[int] = set()
    for name, value in tensors.items():
        kept = value.detach().cpu().contiguous()
        place = kept.untyped_storage().data_ptr()
        found[name] = kept.clone() if place in places else kept
        places.add(place)
    return found


def read_checkpoint(path: Path) -> Checkpoint:
    """A checkpoint, its tensors checked against their digest.

    Raises:
        DamagedCheckpoint: cut short, or bits have changed.
        CheckpointError: no such file, no checkpoint of segbench, or of a newer version.
    """
    if not path.is_file():
        raise CheckpointError(f"there is no checkpoint {path}")
    try:
        content = path.read_bytes()  # at once: safe_open opens the path twice, and a training may replace it in between
        tensors, metadata = load(content), _metadata(content)
    except (SafetensorError, OSError) as error:
        raise DamagedCheckpoint(f"checkpoint {path} is damaged: {error}") from error
    if _FACTS not in metadata:
        raise CheckpointError(f"{path} holds tensors but no training of segbench; use it with --init")
    if digest(tensors, metadata[_FACTS]) != metadata.get(_DIGEST):
        raise DamagedCheckpoint(f"checkpoint {path} is damaged: its content does not have the digest in its header")
    facts = json.loads(metadata[_FACTS])
    if facts["format"] > CHECKPOINT_FORMAT:
        raise CheckpointError(
            f"{path} has format {facts['format']}, this segbench reads up to {CHECKPOINT_FORMAT}; upgrade"
        )
    return Checkpoint(tensors, facts)


def has_facts(content: bytes) -> bool:
    """Whether a safetensors file is a checkpoint of segbench.

    Raises:
        ValueError: its header is damaged.
    """
    return _FACTS in _metadata(content)


def read_last(folder: Path) -> Checkpoint | None:
    """The newest whole training state of a run; None if it has none yet.

    A damaged `last` is passed over with a warning and `previous` taken.

    Raises:
        CheckpointError: both are damaged.
    """
    last, previous = folder / "last.safetensors", folder / "previous.safetensors"
    if not last.exists() and not previous.exists():
        return None
    try:
        return read_checkpoint(last)
    except CheckpointError as error:
        if not previous.exists():
            raise
        older = read_checkpoint(previous)
        warnings.warn(f"{error}; going on from {previous} (step {older.facts.get('step')})", stacklevel=2)
        return older


def digest(tensors: Mapping[str, Tensor], text: str) -> str:
    """SHA-256 over a text and the names, types, shapes and bytes of tensors."""
    found = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        value = tensors[name]
        found.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        found.update(value.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()


def _metadata(content: bytes) -> dict[str, str]:
    """The free texts of a safetensors header: eight bytes of length, then JSON."""
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    return header.get("__metadata__", {})  # type: ignore[no-any-return]


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}")


def _link_over(source: Path, target: Path) -> None:
    """`target` becomes a second name of `source`'s content, without a moment in which it does not exist."""
    link = _beside(target)
    link.unlink(missing_ok=True)
    try:
        os.link(source, link)
    except OSError:  # a file system without hard links
        link.write_bytes(source.read_bytes())
    link.replace(target)


def _replace_text(path: Path, text: str) -> None:
    fresh = _beside(path)
    fresh.write_text(text, encoding="utf-8")
    _flush(fresh)
    fresh.replace(path)


def _flush(path: Path) -> None:
    """Waits until the disk has it; a folder's entry too."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
