"""Gloo as a meter of bytes needs it: a thread of gloo has let go of every tensor before the program goes on.

Gloo works in threads of its own, which drop their references some time after a collective has been waited for. Whoever
drops the last one frees the tensor, and PyTorch's profiler sees what is freed only in threads that it follows: the same
step would hold more from one run to the next, up to a tenth in a small network. With one thread, which takes one
collective after the other, a second one that has ended proves that the first is forgotten.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any

import torch
from torch import distributed

GLOO = "gloo_of_one_thread"
"""Name of the backend, for `init_process_group`."""


_PROOF = torch.zeros(1, device="cpu")


def free_collectives(group: Any = None) -> None:
    """Returns when gloo has forgotten what it was given before."""
    distributed.all_reduce(_PROOF, group=group)


@contextlib.contextmanager
def settled_results() -> Iterator[None]:
    """Within it the collectives of sharded tensors (`DTensor`), as some optimizers ask for them, are forgotten too."""
    from torch.distributed import _functional_collectives as functional

    wait: Callable[[torch.Tensor], torch.Tensor] = functional.wait_tensor

    def settled(tensor: torch.Tensor) -> torch.Tensor:
        free_collectives()
        return wait(tensor)

    functional.wait_tensor = settled
    try:
        yield
    finally:
        functional.wait_tensor = wait


class SettledCollective:
    """A collective of FSDP2 (`set_custom_all_gather`, `set_custom_reduce_scatter`).

    Args:
        collective: of `torch.distributed`, from one tensor into one.
    """

    def __init__(self, collective: Callable[..., Any]) -> None:
        self._collective = collective

    def allocate(self, size: Sequence[int], *, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
        """Where the collective reads or writes, as FSDP2 does it by itself."""
        return torch.empty(*size, dtype=dtype, device=device)

    def __call__(self, output_tensor: torch.Tensor, input_tensor: torch.Tensor, group: Any, **how: Any) -> None:
        work = self._collective(output_tensor, input_tensor, group=group, **{**how, "async_op": True})
        work.wait()
        free_collectives(group)
        del work  # only now: it may own the last reference to a copy that gloo has made


def settled_collectives() -> tuple[SettledCollective, SettledCollective]:
    """What gathers parameters, and what reduces and scatters gradients."""
    return SettledCollective(_newest("all_gather_single", "all_gather_into_tensor")), SettledCollective(
        _newest("reduce_scatter_single", "reduce_scatter_tensor")
    )


def _newest(name: str, older: str) -> Callable[..., Any]:
    """PyTorch 2.13 has new names for both."""
    found: Callable[..., Any] = getattr(distributed, name, None) or getattr(distributed, older)
    return found


def _one_thread(store: Any, rank: int, size: int, timeout: timedelta) -> Any:
    gloo: Any = distributed.ProcessGroupGloo
    options = gloo._Options()
    options._threads = 1
    options._devices = [gloo.create_default_device()]
    options._timeout = timeout
    return gloo(store, rank, size, options)


distributed.Backend.register_backend(GLOO, _one_thread, devices=["cpu"])
