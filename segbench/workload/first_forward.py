"""The first forward pass of networks that are only whole after it: lazy modules, and layers made on the fly.

Whatever counts, moves, fills or optimises a network must see all of it. Whether a forward pass makes anything shows in
a copy on `meta`; only where it does, or where there is no telling, one image is run for real.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.nn.parameter import is_lazy
from torch.utils._python_dispatch import _disable_current_modes

from segbench.errors import UserError


def complete(network: nn.Module, size: tuple[int, int], build_again: Callable[[], nn.Module] | None) -> nn.Module:
    """The network with everything its first forward pass makes, on torch's default device.

    Nothing else of it changes: it is run in `eval` without gradients, and random numbers go on as if it had not been.

    Args:
        network: as its builder left it.
        size: (H, W) of the image.
        build_again: makes the copy; None for networks that are known to be whole.

    Raises:
        UserError: lazy parameters that the pass does not reach.
    """
    lazy = _has_lazy(network)
    if not lazy and (build_again is None or not _may_grow(build_again, size)):
        return network
    device = torch.get_default_device()
    try:
        _run_once(network.to(device), size)
    except Exception:  # what is wrong with a network shows, with its right outcome, when it is measured
        if lazy:
            raise
    if device.type == "cuda":
        torch.cuda.empty_cache()
    left = [name for name, parameter in network.named_parameters() if is_lazy(parameter)]
    if left:
        raise UserError(
            f"lazy layers of {type(network).__name__} are not reached by a forward pass in eval mode ({left[0]}), so"
            " they have no parameters to count or train; give their sizes in the network's code"
        )
    return network


def _has_lazy(network: nn.Module) -> bool:
    return any(is_lazy(item) for item in (*network.parameters(), *network.buffers()))


def _may_grow(build_again: Callable[[], nn.Module], size: tuple[int, int]) -> bool:
    """Whether a forward pass makes parameters or buffers; true also where the network does not run on `meta`."""
    try:
        with _disable_current_modes(), torch.random.fork_rng(devices=[]), torch.device("meta"):
            copy = build_again()
            before = _names(copy)
            _run_once(copy, size)
            return _names(copy) != before
    except Exception:  # networks in the wild fail on meta in every way
        return True


def _names(network: nn.Module) -> set[str]:
    return {name for name, _ in (*network.named_parameters(), *network.named_buffers())}


@torch.no_grad()
def _run_once(network: nn.Module, size: tuple[int, int]) -> None:
    training = network.training
    with torch.random.fork_rng():
        try:
            network.eval()(torch.zeros(1, 3, *size, device=torch.get_default_device()))
        finally:
            network.train(training)
