"""What `segbench calibrate` found of GPUs, a file each in the user's folder, for predictions that name one."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from segbench.cards.data_roots import config_file
from segbench.devices.capabilities import Capability, compute_capability
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
        attention: kernel -> bytes that it keeps for the backward pass; None where the GPU does not take it. Shown only.
    """

    gpu: str
    capability: Capability
    torch: str
    context_bytes: int | None
    cublas_bytes: int
    workspaces: Literal["none", "expected", "upper"]
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
    """Of the GPU that a name such as `h100-80gb` means; None for an amount, or a GPU that was not calibrated.

    The whole name, or one of the same model, in which memory and form factor are those of the GPU or unsaid: a `Ti`,
    `SUPER`, `Laptop` or `Ada` in one name alone is another GPU.

    Raises:
        UserError: a file of the folder is no calibration, or the name means several GPUs that were calibrated.
    """
    asked = _words(gpu_name)
    paths = {path: path.stem.split("-") for path in sorted(folder().glob("*.json"))}
    found = [path for path, words in paths.items() if words == asked]
    found = found or [path for path, words in paths.items() if _same_model(asked, words)]
    known = [calibration for path in found if _may_be(gpu_name, calibration := _read(path))]
    if len(known) > 1:
        names = " and ".join(calibration.gpu for calibration in known)
        raise UserError(f"{gpu_name} may be {names}, which were all calibrated; give --gpu with the whole name")
    return known[0] if known else None


_MAKER = re.compile(r"nvidia|geforce|tesla|quadro|[rg]tx|gpu|graphics|generation|hbm\w*|gddr\w*")
_MEMORY, _FORM = re.compile(r"\d+gb"), re.compile(r"pcie|sxm\d*|nvl|hgx|dgx")


def _same_model(asked: Sequence[str], own: Sequence[str]) -> bool:
    models = [
        {word for word in words if not any(kind.fullmatch(word) for kind in (_MAKER, _MEMORY, _FORM))}
        for words in (asked, own)
    ]
    return bool(models[0]) and models[0] == models[1] and all(_agree(asked, own, kind) for kind in (_MEMORY, _FORM))


def _agree(asked: Sequence[str], own: Sequence[str], kind: re.Pattern[str]) -> bool:
    """Whether both say the same of it, or one says nothing."""
    one, other = ({word for word in words if kind.fullmatch(word)} for words in (asked, own))
    return not one or not other or one == other


def _may_be(gpu_name: str, found: Calibration) -> bool:
    """Whether the name is of the same compute capability, as far as it tells one: `RTX 5000` is of two kinds."""
    return compute_capability(gpu_name) in (None, found.capability)


def _read(path: Path) -> Calibration:
    try:
        return _format().validate_json(path.read_text(encoding="utf-8"))
    except ValidationError as error:
        first = error.errors()[0]
        what = f"{'.'.join(map(str, first['loc']))}: {first['msg']}".removeprefix(": ")
        raise UserError(f"{path} is no calibration ({what}); remove it, or run segbench calibrate again") from error
    except (OSError, UnicodeError) as error:
        raise UserError(f"{path} cannot be read: {error}; remove it, or run segbench calibrate again") from error


@cache
def _format() -> TypeAdapter[Calibration]:
    return TypeAdapter(Calibration)


def _words(name: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", name.lower())
