"""One log for every batch: sizes are affine in the batch, so two traces give the log of any other.

Each storage of a convolutional network has either a fixed size or one in proportion to the batch. If two traces made
the same storages in the same order, the log at any batch follows event by event, and with it rounding, fragmentation
and retries, which are not affine. A test shows that such a log equals a fresh trace.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

from segbench.estimate.log import Storage, StorageLog


class NotAffine(Exception):
    """The two traces did not do the same things, or a size does not grow by whole bytes an image."""


@dataclass(frozen=True)
class LogFamily:
    """The logs of a step at every batch.

    Attributes:
        small, large: two traced logs of equal structure.
        small_batch, large_batch: their batches.

    Raises:
        NotAffine: they have no common structure; trace every batch of interest then.
    """

    small: StorageLog
    large: StorageLog
    small_batch: int
    large_batch: int

    def __post_init__(self) -> None:
        if self.small.events != self.large.events or len(self.small.storages) != len(self.large.storages):
            raise NotAffine("the two traces made different storages")
        _ = self.slopes

    @cached_property
    def slopes(self) -> tuple[int, ...]:
        """Bytes an image that each storage grows by."""
        span = self.large_batch - self.small_batch
        pairs = list(zip(self.small.storages, self.large.storages, strict=True))
        broken = next((small for small, large in pairs if (large.bytes - small.bytes) % span), None)
        if broken is not None:
            raise NotAffine(f"{broken.operator} in {broken.module!r} does not grow by whole bytes an image")
        return tuple((large.bytes - small.bytes) // span for small, large in pairs)

    def at(self, batch: int) -> StorageLog:
        """The log at a batch."""
        more = batch - self.small_batch
        storages = tuple(
            _grown(storage, slope * more, self.small_batch, batch) if slope else storage
            for storage, slope in zip(self.small.storages, self.slopes, strict=True)
        )
        return StorageLog(storages, self.small.events, self.small.marks)


def log_family(trace: Callable[[int], StorageLog], small: int = 2, large: int = 4) -> LogFamily:
    """Traces two batches; 2 is the smallest at which batch normalisation of a map pooled to 1x1 can train.

    Raises:
        NotAffine: see `LogFamily`.
    """
    return LogFamily(trace(small), trace(large), small, large)


def _grown(storage: Storage, growth: int, old_batch: int, batch: int) -> Storage:
    shape = storage.shape
    if shape and shape[0] == old_batch:
        shape = (batch, *shape[1:])
    return replace(storage, bytes=storage.bytes + growth, shape=shape)
