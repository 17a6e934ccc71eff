"""Networks within networks, named as a model card's builder is."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from torch import nn

from segbench.errors import UserError


def build_named(builder: str, classes: int, arguments: Mapping[str, Any] | None) -> nn.Module:
    """The network `module:Class` for so many classes.

    Raises:
        UserError: there is none.
    """
    module, _, name = builder.rpartition(":")
    try:
        make = getattr(import_module(module), name)
    except (ImportError, ValueError, AttributeError) as error:
        raise UserError(
            f"no network {builder!r} ({error}); write module:Class, as a model card's builder does"
        ) from error
    network: nn.Module = make(classes=classes, **(arguments or {}))
    return network
