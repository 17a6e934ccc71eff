"""The same forward pass counted by two other programs: PyTorch's FlopCounterMode and fvcore.

Neither alone is to be trusted: FlopCounterMode has over-counted transposed convolutions (pytorch/pytorch#119806), and
fvcore calls a multiply-add one "flop", counts norms and resizing too, and sees only what `torch.jit.trace` records.
Both are therefore reduced to MACs of convolutions and matrix products, which is what they can agree on. Neither knows
the kernels that fuse whole layers of a transformer, so both count attention taken apart.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

_DISAGREEMENT = 0.01


@dataclass(frozen=True)
class OtherCount:
    """What another counter says.

    Attributes:
        macs: None where it could not count.
        cause: why not.
        uncounted: operators it says it does not know -> calls.
    """

    counter: str
    macs: int | None
    cause: str | None = None
    uncounted: Mapping[str, int] = field(default_factory=dict)

    def disagrees_with(self, macs: int) -> bool:
        """Whether it is more than 1 % away."""
        return self.macs is not None and abs(self.macs - macs) > _DISAGREEMENT * macs


def count_with_torch(run: Callable[[], object]) -> OtherCount:
    """PyTorch's own counter, which counts two operations a MAC."""
    with FlopCounterMode(display=False) as counter, _attention_taken_apart():
        run()
    return OtherCount("torch", counter.get_total_flops() // 2)


def count_with_fvcore(network: nn.Module, images: Tensor) -> OtherCount:
    """fvcore's count of a trace; it fails on what cannot be traced, and then says so."""
    # fvcore and what it imports warn of deprecations on import, and the tracer of every Python branch.
    with warnings.catch_warnings(), torch.no_grad(), _attention_taken_apart():
        warnings.simplefilter("ignore")
        logging.getLogger("fvcore").setLevel(logging.ERROR)
        try:
            from fvcore.nn import FlopCountAnalysis

            analysis = (
                FlopCountAnalysis(network, images).unsupported_ops_warnings(False).uncalled_modules_warnings(False)
            )
            by_operator = analysis.by_operator()
        except Exception as error:  # tracing runs the user's code under other rules
            first = str(error).strip().splitlines()[0] if str(error).strip() else "no message"
            return OtherCount("fvcore", None, f"{type(error).__name__}: {first}")
        unknown = {name.removeprefix("aten::"): count for name, count in analysis.unsupported_ops().items()}
    return OtherCount("fvcore", int(sum(by_operator.get(name, 0) for name in _PRODUCTS)), uncounted=unknown)


@contextmanager
def _attention_taken_apart() -> Iterator[None]:
    """Attention as separate matrix products, and layers of transformers as their parts."""
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)


_PRODUCTS = ("conv", "linear", "addmm", "mm", "bmm", "baddbmm", "matmul", "einsum", "mv", "dot")
"""fvcore's names of convolutions and matrix products."""
