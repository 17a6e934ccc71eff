"""One log for every batch: sizes are affine in the batch, so two traces give the log of any other.

Each storage of a convolutional network has either a fixed size or one in proportion to the batch. If two traces made
the same storages in the same order, the log at any batch follows event by event, and with it rounding, fragmentation
and retries, which are not affine. A test shows that such a log equals a fresh trace. In the number of pixels sizes are
only nearly affine (odd sides are rounded), which is good enough for a guess.
"""

from __future__ import annotations

from dataclasses import dataclass

from segbench.estimate.log import Storage, StorageLog


class NotAffine(Exception):
    """The two traces made different storages; trace every size of interest instead."""


@dataclass(frozen=True)
class LogFamily:
    """The logs of a step at every size, from the logs at two.

    Attributes:
        small, large: two traced logs of equal structure.
        small_size, large_size: their batches, or numbers of pixels.

    Raises:
        NotAffine: their structures differ.
    """

    small: StorageLog
    large: StorageLog
    small_size: int
    large_size: int

    def __post_init__(self) -> None:
        if self.small.events != self.large.events or len(self.small.storages) != len(self.large.storages):
            raise NotAffine("the two traces made different storages")

    def at(self, size: int) -> StorageLog:
        """The log at a size; exact where every storage grows by whole bytes a step of size."""
        more, span = size - self.small_size, self.large_size - self.small_size
        storages = tuple(
            small if small.bytes == large.bytes else _grown(small, (large.bytes - small.bytes) * more // span)
            for small, large in zip(self.small.storages, self.large.storages, strict=True)
        )
        return StorageLog(storages, self.small.events, self.small.marks)

    def upper_bound(self, limit: int) -> int:
        """A size beyond which the live bytes alone exceed the limit; 0 if any size does.

        The peak is the maximum of lines, one a moment, so that it lies above the line through two of its values.
        """
        low, high = self.small.peak[1], self.large.peak[1]
        slope = (high - low) / (self.large_size - self.small_size)
        return max(0, int(self.small_size + (limit - low) / slope)) if slope > 0 else 0


def _grown(storage: Storage, growth: int) -> Storage:
    size = max(0, storage.bytes + growth)  # spelt out, for `dataclasses.replace` would take most of a search's time
    return Storage(size, storage.role, storage.operator, storage.module, storage.shape, storage.dtype)
