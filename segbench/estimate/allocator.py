"""PyTorch's CUDA caching allocator as plain arithmetic: rounding, pools, splitting, coalescing, release and retry.

A model of `c10/cuda/CUDACachingAllocator.cpp` (torch 2.8 to 2.13) with default settings, one stream and one device.
What the source leaves to the driver is our inference: new segments take the lowest free addresses, aligned to 2 MiB.
Addresses matter because the best fit breaks ties by address.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable
from dataclasses import dataclass

from segbench.estimate.log import StorageLog

MIN_BLOCK = 512
"""`kMinBlockSize`: every request is rounded up to a multiple of it."""
SMALL_SIZE = 2**20
"""`kSmallSize`: requests up to this come from the small pool."""
SMALL_SEGMENT = 2 * 2**20
"""`kSmallBuffer`: the small pool's segments."""
LARGE_SEGMENT = 20 * 2**20
"""`large_segment_size`: segments for requests above `SMALL_SIZE` and below `MIN_LARGE`."""
MIN_LARGE = 10 * 2**20
"""`kMinLargeAlloc`: from here on a request gets a segment of its own ..."""
ROUND_LARGE = 2 * 2**20
"""`kRoundLarge`: ... rounded up to a multiple of this."""
FIRST_ADDRESS, ADDRESS_BITS = 0x7F0000000000, 48
"""Of the first segment, and which no address exceeds."""


class OutOfMemory(Exception):
    """A request that fits neither the cache nor the limit, after everything unused was released.

    Attributes:
        requested: bytes of the segment that was wanted.
        reserved, allocated: bytes held and handed out when it was refused.
        limit: the most that may be held.
    """

    def __init__(self, requested: int, reserved: int, allocated: int, limit: int) -> None:
        super().__init__(f"{requested} bytes wanted, {reserved} reserved, {allocated} allocated, limit {limit}")
        self.requested, self.reserved, self.allocated, self.limit = requested, reserved, allocated, limit


@dataclass(slots=True, eq=False)
class Block:
    """A stretch of a segment, free or handed out; its neighbours are what the segment was split into."""

    address: int
    bytes: int
    small: bool
    free: bool = False
    before: Block | None = None
    after: Block | None = None

    @property
    def is_whole_segment(self) -> bool:
        return self.before is None and self.after is None


@dataclass(frozen=True, slots=True)
class Action:
    """What the allocator did: `alloc`, `free`, `segment_alloc` or `segment_free`, as memory snapshots name it."""

    kind: str
    address: int
    bytes: int


def round_size(requested: int) -> int:
    """Bytes a request takes: at least 512, a multiple of 512."""
    return -(-requested // MIN_BLOCK) * MIN_BLOCK or MIN_BLOCK


def segment_size(rounded: int) -> int:
    """Bytes of the segment that is asked of the driver for a rounded request."""
    if rounded <= SMALL_SIZE:
        return SMALL_SEGMENT
    if rounded < MIN_LARGE:
        return LARGE_SEGMENT
    return -(-rounded // ROUND_LARGE) * ROUND_LARGE


class _FreeBlocks:
    """Free blocks of one pool by one number each, so that they are ordered by size and then by address."""

    def __init__(self) -> None:
        self._order: list[int] = []
        self._blocks: dict[int, Block] = {}

    def add(self, block: Block) -> None:
        key = block.bytes << ADDRESS_BITS | block.address
        insort(self._order, key)
        self._blocks[key] = block

    def remove(self, block: Block) -> None:
        key = block.bytes << ADDRESS_BITS | block.address
        del self._order[bisect_left(self._order, key)]
        del self._blocks[key]

    def take_best_fit(self, size: int) -> Block | None:
        """The smallest block of at least `size` bytes, of several the one with the lowest address."""
        index = bisect_left(self._order, size << ADDRESS_BITS)
        return self._blocks.pop(self._order.pop(index)) if index < len(self._order) else None

    def whole_segments(self) -> list[Block]:
        return [block for block in self._blocks.values() if block.is_whole_segment]


class _AddressSpace:
    """Where segments lie: first fit from `FIRST_ADDRESS` upwards."""

    def __init__(self) -> None:
        self._used: list[tuple[int, int]] = []

    def claim(self, size: int) -> int:
        address = FIRST_ADDRESS
        for start, end in self._used:
            if start - address >= size:
                break
            address = end
        insort(self._used, (address, address + size))
        return address

    def give_back(self, address: int, size: int) -> None:
        self._used.remove((address, address + size))


class CachingAllocator:
    """Hands out blocks of cached segments.

    Args:
        limit: most bytes of segments that may be held; None for a device without end.
        observer: told of every action, for snapshots.

    Attributes:
        allocated, reserved: bytes handed out, and bytes of segments held.
        allocated_peak, reserved_peak: their maxima since `reset_peaks`.
        retries: how often everything unused was released to satisfy a request (`num_alloc_retries`).
    """

    def __init__(self, limit: int | None = None, observer: Callable[[Action], None] | None = None) -> None:
        self.limit = limit
        self.allocated = self.reserved = 0
        self.allocated_peak = self.reserved_peak = 0
        self.retries = 0
        self._observer = observer
        self._small, self._large = _FreeBlocks(), _FreeBlocks()
        self._addresses = _AddressSpace()

    def reset_peaks(self) -> None:
        """Like `torch.cuda.reset_peak_memory_stats`: maxima start from what is held now."""
        self.allocated_peak, self.reserved_peak = self.allocated, self.reserved

    def malloc(self, requested: int) -> Block:
        """A block of at least `requested` bytes.

        Raises:
            OutOfMemory: no cached block is large enough, and no segment fits under the limit.
        """
        size = round_size(requested)
        small = size <= SMALL_SIZE
        pool = self._small if small else self._large
        block = pool.take_best_fit(size) or self._new_segment(size)
        rest = block.bytes - size
        if rest >= MIN_BLOCK if small else rest > SMALL_SIZE:
            pool.add(_split(block, size))
        block.free = False
        self.allocated += block.bytes
        if self.allocated > self.allocated_peak:
            self.allocated_peak = self.allocated
        if self._observer is not None:
            self._tell("alloc", block)
        return block

    def free(self, block: Block) -> None:
        """Takes a block back into the cache and joins it with free neighbours."""
        if self._observer is not None:
            self._tell("free", block)
        self.allocated -= block.bytes
        pool = self._small if block.small else self._large
        block.free = True
        if block.before is not None and block.before.free:
            pool.remove(block.before)
            block = _join(block.before, block)
        if block.after is not None and block.after.free:
            pool.remove(block.after)
            block = _join(block, block.after)
        pool.add(block)

    def empty_cache(self) -> None:
        """Returns to the driver every segment of which nothing is in use."""
        for pool in (self._large, self._small):
            for block in pool.whole_segments():
                pool.remove(block)
                self.reserved -= block.bytes
                self._addresses.give_back(block.address, block.bytes)
                self._tell("segment_free", block)

    def _new_segment(self, size: int) -> Block:
        wanted = segment_size(size)
        if self._exceeds_limit(wanted):
            self.retries += 1
            self.empty_cache()
            if self._exceeds_limit(wanted):
                raise OutOfMemory(wanted, self.reserved, self.allocated, self.limit or 0)
        self.reserved += wanted
        self.reserved_peak = max(self.reserved_peak, self.reserved)
        block = Block(self._addresses.claim(wanted), wanted, small=size <= SMALL_SIZE)
        self._tell("segment_alloc", block)
        return block

    def _exceeds_limit(self, wanted: int) -> bool:
        return self.limit is not None and self.reserved + wanted > self.limit

    def _tell(self, kind: str, block: Block) -> None:
        if self._observer is not None:
            self._observer(Action(kind, block.address, block.bytes))


def _split(block: Block, size: int) -> Block:
    """Cuts `block` down to `size` bytes; what remains, the far end, becomes a free block."""
    rest = Block(block.address + size, block.bytes - size, block.small, free=True, before=block, after=block.after)
    if rest.after is not None:
        rest.after.before = rest
    block.bytes, block.after = size, rest
    return rest


def _join(block: Block, after: Block) -> Block:
    block.bytes += after.bytes
    block.after = after.after
    if block.after is not None:
        block.after.before = block
    block.free = True
    return block


@dataclass(frozen=True)
class Replay:
    """What the allocator reports after a run.

    Attributes:
        allocated_peak, reserved_peak: bytes, maxima over the measured steps.
        warmup_peak: allocated bytes, maximum over the first step.
        retries: requests of the measured steps that were met only after the cache had been released; a run with any is
            near its limit.
    """

    allocated_peak: int
    reserved_peak: int
    warmup_peak: int
    retries: int


def replay(
    log: StorageLog,
    limit: int | None = None,
    observer: Callable[[Action], None] | None = None,
    before: Callable[[int], None] | None = None,
) -> Replay:
    """Runs a log through the allocator; between warm-up and measured steps the cache is emptied, as measurements do.

    Args:
        log: what happens.
        limit: most bytes of segments; None for a device without end.
        observer: told of every action of the allocator.
        before: told of every event of the log before it happens.

    Raises:
        OutOfMemory: a tensor did not fit under `limit`; a workspace that does not fit is done without.
    """
    allocator = CachingAllocator(limit, observer)
    blocks: dict[int, Block] = {}
    warmup_peak = warmup_retries = 0
    storages, measured_from = log.storages, log.measured_from
    for position, event in enumerate(log.events):
        if position == measured_from:
            warmup_peak, warmup_retries = allocator.allocated_peak, allocator.retries
            allocator.empty_cache()
            allocator.reset_peaks()
        if before is not None:
            before(event)
        if event > 0:
            storage = storages[event - 1]
            try:
                blocks[event] = allocator.malloc(storage.bytes)
            except OutOfMemory:
                if storage.role != "workspaces":  # a library that gets no workspace takes another algorithm
                    raise
        elif -event in blocks:
            allocator.free(blocks.pop(-event))
    return Replay(
        allocated_peak=allocator.allocated_peak,
        reserved_peak=allocator.reserved_peak,
        warmup_peak=warmup_peak,
        retries=allocator.retries - warmup_retries,
    )
