"""What a network keeps from step to step besides tensors of unknown values: counters and flags of its own.

Where a step changes them, the next one may do other work: an initialisation by the first images, a part that joins in
later. Such a step is not copied (`segbench.estimate.repeated`).
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.utils._python_dispatch import _disable_current_modes

from segbench.estimate.mirrors import Mirrors

_PLAIN = (bool, int, float, str, type(None))
_HOOKS = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")
_OF_ANY_STEP = ("training", "num_batches_tracked")
"""What `train` and `eval` set, and what batch normalisation counts and reads no more."""


def hides_nothing(network: nn.Module) -> bool:
    """Whether all its modules are segbench's or torch's: these keep values in plain attributes and in tensors alone.

    Others may keep them anywhere, in dictionaries, closures or random generators; so may hooks.
    """
    return all(_is_known(module) for module in network.modules())


def _is_known(module: nn.Module) -> bool:
    own = type(module).__module__.partition(".")[0] in ("segbench", "torch")
    return own and "forward" not in vars(module) and not any(getattr(module, hooks) for hooks in _HOOKS)


def kept_values(network: nn.Module, mirrors: Mirrors) -> dict[str, Any]:
    """Plain attributes of all modules, lists of such, and known values of buffers of one element, by qualified name."""
    found: dict[str, Any] = {}
    with _disable_current_modes():  # to look is no part of a step
        for owner, module in network.named_modules():
            for name, value in (*vars(module).items(), *module._buffers.items()):
                if name in _OF_ANY_STEP:
                    continue
                if isinstance(value, Tensor):
                    found[f"{owner}.{name}"] = mirrors.number(value)
                elif isinstance(value, _PLAIN):
                    found[f"{owner}.{name}"] = value
                elif isinstance(value, (list, tuple)) and all(isinstance(item, _PLAIN) for item in value):
                    found[f"{owner}.{name}"] = tuple(value)
    return found
