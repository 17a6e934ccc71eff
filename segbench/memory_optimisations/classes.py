"""Giving one module of a network another behaviour without touching its parameters or its place."""

from __future__ import annotations

from torch import nn

_MIXED: dict[tuple[type[nn.Module], type[nn.Module]], type[nn.Module]] = {}
"""Made once each, so that modules of one class stay modules of one class."""


def mix_in(mixin: type[nn.Module], module: nn.Module) -> None:
    """Puts `mixin` before the module's own class: names in the state dict stay, `isinstance` too.

    The way `torch.nn.utils.parametrize` works; unlike a replaced `forward` it survives `copy.deepcopy`. As there, the
    module can no longer be pickled whole: save its state dict.
    """
    own = type(module)
    if issubclass(own, mixin):
        return
    if (mixin, own) not in _MIXED:
        _MIXED[mixin, own] = type(f"{mixin.__name__}{own.__name__}", (mixin, own), {"__module__": own.__module__})
    module.__class__ = _MIXED[mixin, own]
