"""segbench tells what a segmentation network costs and what it buys.

For Python programs: `build_network`, `predict_memory`, `read_ledger`. They are imported when first used, because the
command must start without torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from segbench.api import build_network, predict_memory, read_ledger

__version__ = "0.1.0"
__all__ = ["__version__", "build_network", "predict_memory", "read_ledger"]


def __getattr__(name: str) -> object:
    if name in __all__:
        return getattr(import_module("segbench.api"), name)
    raise AttributeError(f"module 'segbench' has no attribute {name!r}")
