"""One log for every batch: sizes are affine in the batch, so two traces give the log of any other.

Each storage of a convolutional network has either a fixed size or one in proportion to the batch. If two traces made
the same storages in the same order, the log at any batch follows event by event, and with it rounding, fragmentation
and retries, which are not affine. A test shows that such a log equals a fresh trace. In the number of pixels sizes are
only nearly affine (odd sides are rounded): there two traces nearly tell the logs of sizes near one of them, which is
good enough for where to look next.

Workspaces are not affine, since from some batch on cuDNN is expected to choose another algorithm. Where two traces note
convolutions instead of workspaces, the convolutions of any batch follow, and from each its workspace.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from segbench.estimate.collector import resting
from segbench.estimate.convolution_workspaces import Convolution
from segbench.estimate.log import Storage, StorageLog
from segbench.estimate.overheads import Overheads
from segbench.estimate.recorded import Recorded, WorkspaceRecording, is_noted


class NotAffine(Exception):
    """The two traces made different storages; trace every size of interest instead."""


@dataclass(frozen=True)
class LogFamily:
    """The logs of a step at every size, from the logs at two.

    Attributes:
        small, large: two logs of equal structure, traced or, at size 0, made up (`in_proportion`).
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

    @resting()
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

        The peak is the maximum of lines, one a moment, so that it lies above the line through two of its values,
        except between them.
        """
        low, high = self.small.peak[1], self.large.peak[1]
        if low <= limit <= high:
            return self.large_size
        slope = (high - low) / (self.large_size - self.small_size)
        return max(0, int(self.small_size + (limit - low) / slope)) if slope > 0 else 0


@resting()
def in_proportion(log: StorageLog, size: int) -> LogFamily:
    """The family of one log, in which all but a network's parameters and what is like them grows in proportion.

    Args:
        size: the log's own; what grows has no bytes at size 0.
    """
    return LogFamily(_at_nothing(log, is_noted), log, 0, size)


def _at_nothing(log: StorageLog, grows: Callable[[Storage], bool]) -> StorageLog:
    """The log at size 0, where only parameters, what is like them, and workspaces that do not grow have any bytes."""
    shapes = {storage.shape for storage in log.storages if storage.role == "parameters"}

    def stays(storage: Storage) -> bool:
        if storage.role == "workspaces":
            return not grows(storage)
        return storage.role in ("parameters", "gradients", "optimizer state") or storage.shape in shapes

    storages = tuple(item if stays(item) else _grown(item, -item.bytes) for item in log.storages)
    return StorageLog(storages, log.events, log.marks)


@dataclass(frozen=True)
class Noting(WorkspaceRecording):
    """Overheads that note the convolutions that have a workspace at all, which does not depend on the batch."""

    def convolution_workspace(self, function: Any, args: Sequence[Any], output: Any) -> int:
        asked = Overheads.convolution_workspace(self, function, args, output)
        return super().convolution_workspace(function, args, output) if asked else 0


@dataclass(frozen=True)
class NotedFamily(LogFamily):
    """A family of batches from two logs under `Noting`.

    Attributes:
        convolutions: those of each log, in the order noted.
        workspace_of: bytes of a convolution's workspace.

    Raises:
        NotAffine: the two traces made different storages or different convolutions.
    """

    convolutions: tuple[Sequence[Convolution], Sequence[Convolution]]
    workspace_of: Callable[[Convolution], int]

    def __post_init__(self) -> None:
        super().__post_init__()
        pairs = zip(self.small.storages, self.large.storages, strict=True)
        if any(small.bytes != large.bytes for small, large in pairs if is_noted(small)):
            raise NotAffine("the two traces made different convolutions")

    def at(self, size: int) -> StorageLog:
        """The log at a size, with the workspaces of its convolutions."""
        more, span = size - self.small_size, self.large_size - self.small_size

        def between(small: tuple[int, ...], large: tuple[int, ...]) -> tuple[int, ...]:
            return tuple(one + (other - one) * more // span for one, other in zip(small, large, strict=True))

        found = tuple(
            replace(one, images=between(one.images, other.images), result=between(one.result, other.result))
            for one, other in zip(*self.convolutions, strict=True)
        )
        return Recorded(super().at(size), found).with_workspaces(self.workspace_of)


@resting()
def noted_in_proportion(noted: Recorded, batch: int, workspace_of: Callable[[Convolution], int]) -> NotedFamily:
    """`in_proportion` of one trace under `Noting`."""
    empty = tuple(replace(one, images=(0, *one.images[1:]), result=(0, *one.result[1:])) for one in noted.convolutions)
    nothing = _at_nothing(noted.log, lambda _: False)
    return NotedFamily(nothing, noted.log, 0, batch, (empty, noted.convolutions), workspace_of)


class Traces:
    """The logs of a step by its size, each traced once, and what they tell of others.

    Args:
        trace: the log at a size.
        amount: what storages grow with, at a size; the size itself by default.
    """

    def __init__(self, trace: Callable[[int], StorageLog], amount: Callable[[int], int] = lambda size: size) -> None:
        self.at, self.amount = cache(trace), amount

    def near(self, size: int, other: int) -> LogFamily:
        """The family, by amount, that tells of sizes near a traced one.

        It goes through another trace too, if that is not the same and both are of one structure.
        """
        if size != other:
            with contextlib.suppress(NotAffine):
                return self._through(other, size)
        return self._in_proportion(size)

    def _through(self, small: int, large: int) -> LogFamily:
        return LogFamily(self.at(small), self.at(large), self.amount(small), self.amount(large))

    def _in_proportion(self, size: int) -> LogFamily:
        return in_proportion(self.at(size), self.amount(size))


class NotedTraces(Traces):
    """The same by batch, of traces under `Noting`, whose convolutions get their workspaces at every batch.

    Args:
        noted: the trace at a batch.
        workspace_of: bytes of a convolution's workspace.
    """

    def __init__(self, noted: Callable[[int], Recorded], workspace_of: Callable[[Convolution], int]) -> None:
        self._noted, self._workspace_of = cache(noted), workspace_of
        super().__init__(lambda batch: self._noted(batch).with_workspaces(workspace_of))

    def _through(self, small: int, large: int) -> LogFamily:
        one, other = self._noted(small), self._noted(large)
        convolutions = one.convolutions, other.convolutions
        return NotedFamily(one.log, other.log, small, large, convolutions, self._workspace_of)

    def _in_proportion(self, size: int) -> LogFamily:
        return noted_in_proportion(self._noted(size), size, self._workspace_of)


def _grown(storage: Storage, growth: int) -> Storage:
    size = max(0, storage.bytes + growth)  # spelt out, for `dataclasses.replace` would take most of a search's time
    return Storage(size, storage.role, storage.operator, storage.module, storage.shape, storage.dtype)
