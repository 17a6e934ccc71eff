"""What a network keeps from step to step besides tensors of unknown values: counters and flags of its own.

Where a step changes them, the next one may do other work: an initialisation by the first images, a part that joins in
later. Such a step is not copied (`segbench.estimate.repeated`).
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from segbench.estimate.mirrors import Mirrors

_PLAIN = (bool, int, float, str, type(None))
_OF_ANY_STEP = ("training", "num_batches_tracked")
"""What `train` and `eval` set, and what batch normalisation counts and reads no more."""


def kept_values(network: nn.Module, mirrors: Mirrors) -> dict[str, Any]:
    """Plain attributes of all modules and known values of buffers of one element, by qualified name."""
    found: dict[str, Any] = {}
    for owner, module in network.named_modules():
        for name, value in (*vars(module).items(), *module.named_buffers(recurse=False)):
            if name in _OF_ANY_STEP:
                continue
            if isinstance(value, Tensor):
                found[f"{owner}.{name}"] = mirrors.number(value)
            elif isinstance(value, _PLAIN):
                found[f"{owner}.{name}"] = value
    return found
