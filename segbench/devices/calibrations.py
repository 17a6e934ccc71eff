"""What `segbench calibrate` found of GPUs, a file each in the user's folder, for predictions that name one."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from segbench.cards.data_roots import config_file
from segbench.devices.capabilities import Capability
from segbench.errors import UserError


@dataclass(frozen=True)
class Calibration:
    """A GPU's own values.

    Attributes:
        gpu: its name, as the driver tells it.
        capability: CUDA compute capability.
        torch: the release that was measured with.
        context_bytes: outside the allocator; None where it could not be told.
        cublas_bytes: of a handle's workspace.
        workspaces: the model of cuDNN's workspaces that comes nearest to this GPU's.
        convolutions: workspaces by convolution and direction, each with every model's.
        attention: kernel -> bytes that it keeps for the backward pass; None where the GPU does not take it.
    """

    gpu: str
    capability: Capability
    torch: str
    context_bytes: int | None
    cublas_bytes: int
    workspaces: str
    convolutions: Sequence[dict[str, Any]]
    attention: dict[str, int | None]

    def assumptions(self) -> dict[str, Any]:
        """As options of `segbench.records.options.Assumptions`."""
        known = {} if self.context_bytes is None else {"context_bytes": self.context_bytes}
        fixed = {"capability": self.capability, "cublas_bytes": self.cublas_bytes, "workspaces": self.workspaces}
        return {**fixed, **known}


def folder() -> Path:
    """Beside the user's `config.toml`."""
    return config_file().parent / "gpus"


def store(found: Calibration) -> Path:
    """Writes the GPU's file, over an older one.

    Raises:
        UserError: it cannot be written.
    """
    path = folder() / f"{'-'.join(_words(found.gpu))}.json"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(found), indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}") from error
    return path


def calibration_of(gpu_name: str) -> Calibration | None:
    """Of the GPU that is meant by a name such as `h100-80gb`: all its words are in the driver's name of the GPU.

    Raises:
        UserError: a file of the folder is no calibration.
    """
    words = set(_words(gpu_name))
    found = (path for path in sorted(folder().glob("*.json")) if words and words <= set(path.stem.split("-")))
    path = next(found, None)
    return None if path is None else _read(path)


def _read(path: Path) -> Calibration:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return Calibration(**{**values, "capability": tuple(values["capability"])})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(f"{path} is no calibration; remove it, or run segbench calibrate again") from error


def _words(name: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", name.lower())
