"""What the timing tasks share: the plan of a case, sampling under observation, and samples as measurements."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import median

import torch

from segbench.meters.clocks import ClockProbe, GpuState, clock_probe
from segbench.meters.contention import ContentionMeter
from segbench.meters.energy import Energy, energy_meter
from segbench.meters.gpu_busy import measure_busy
from segbench.meters.sampling import SamplingPlan, Timing, repeat, warm_up
from segbench.ode.compiled import compile_in_place
from segbench.records.case import Case, Json
from segbench.records.measurement import Measurement
from segbench.records.options import TimingOptions
from segbench.statistics.steadiness import is_steady
from segbench.tasks.progress import Progress
from segbench.tasks.protocol import Reporter
from segbench.workload.step import Workload

_CLOCK_EVERY_S = 0.1
"""Clocks change within tenths of a second; a reading takes some 20 us, in which the GPU waits."""
_DIGITS = 9
"""No clock here ticks finer than a nanosecond, and a ledger holds every sample."""


@dataclass(frozen=True)
class Timed:
    """Samples of one call and what the machine did meanwhile.

    Attributes:
        warmup: totals of the calls before.
        first: seconds of a very first call that had to compile; None where nothing was compiled.
        steady: whether the warm-up ended in a steady state.
        samples: in order.
        slowed: for each sample the reasons why the GPU was slowed down just after it.
        others_cores: cores other programs used.
        state: of the GPU at the end.
        clocks_mhz: of the GPU's multiprocessors, read some ten times a second between samples.
    """

    warmup: tuple[float, ...]
    steady: bool
    samples: tuple[Timing, ...]
    slowed: tuple[tuple[str, ...], ...]
    energy: Energy
    others_cores: float
    state: GpuState
    first: float | None = None
    clocks_mhz: tuple[int, ...] = ()

    @property
    def total(self) -> float:
        """Median seconds of a call."""
        return median(sample.total for sample in self.samples)

    @property
    def compile_seconds(self) -> float:
        """What the very first call took beyond a steady one."""
        return max(0.0, (self.first or 0.0) - self.total)

    def row(
        self, quantity: str, value: Callable[[Timing], float], method: str, mode: str, factors: Mapping[str, Json]
    ) -> Measurement:
        """One quantity of every sample."""
        samples = tuple(round(value(sample), _DIGITS) for sample in self.samples)
        return Measurement(quantity, median(samples), method, mode, samples=samples, factors=factors)

    def headline(
        self, quantity: str, value: Callable[[Timing], float], method: str, mode: str, factors: Mapping[str, Json]
    ) -> Measurement:
        """As `row`, with the warm-up and what explains the samples."""
        warmup = tuple(round(value(Timing(total)), _DIGITS) for total in self.warmup)
        return replace(self.row(quantity, value, method, mode, factors), warmup=warmup, detail=self.detail())

    def energy_rows(self, per: str, mode: str, share: float, factors: Mapping[str, Json]) -> Iterator[Measurement]:
        """The share of the samples' energy that one image or one epoch takes, whole and above idling.

        Missing with their reason.

        Args:
            per: `image` or `epoch`.
        """
        whole, above = self.energy.joules, self.energy.above_idle_joules
        for name, joules in ((f"energy_per_{per}_j", whole), (f"energy_above_idle_per_{per}_j", above)):
            value = None if joules is None else joules * share
            yield Measurement(name, value, "measured:nvml", mode, cause=self.energy.cause, factors=factors)

    def busy_row(
        self, call: Callable[[], object], device: torch.device, mode: str, factors: Mapping[str, Json]
    ) -> Measurement:
        """The share of the median call in which the GPU had work, by watching a few more calls."""
        found = measure_busy(call, self.total, device)
        return Measurement(
            "gpu_busy_fraction", found.fraction, method_of(device), mode, cause=found.cause, factors=factors
        )

    def detail(self) -> dict[str, Json]:
        """What explains the samples, for the ledger."""
        slowed = [number for number, reasons in enumerate(self.slowed) if reasons]
        found: dict[str, Json] = {"steady": self.steady, "others_cores": self.others_cores}
        if slowed:
            reasons = sorted({reason for sample in self.slowed for reason in sample})
            found |= {"throttled": slowed, "throttled_by": reasons}
        if self.state != GpuState():
            found["gpu"] = asdict(self.state)
        if self.clocks_mhz:
            lowest, highest = min(self.clocks_mhz), max(self.clocks_mhz)
            found["sm_mhz"] = {"lowest": lowest, "median": median(self.clocks_mhz), "highest": highest}
        if self.energy.joules is not None:
            timed = sum(sample.total for sample in self.samples)
            found["energy"] = {"window_s": self.energy.seconds, "timed_s": timed, "idle_w": self.energy.idle_w}
        return found


_LEAST_CUDA_WINDOW_S = 1.5
"""Ten renewals of NVML's energy counter, which takes 20 to 100 ms for one, with something to spare."""


def sampling_plan(case: Case) -> SamplingPlan:
    """How long this process is to measure; a command that measures in rounds sets the options `round_...`."""
    asked, usual = case.options_as(TimingOptions), SamplingPlan()
    return SamplingPlan(
        warmup=case.warmup,
        min_runs=usual.min_runs if asked.round_min_runs is None else asked.round_min_runs,
        max_runs=usual.max_runs if asked.round_max_runs is None else asked.round_max_runs,
        seconds=usual.seconds if asked.round_seconds is None else asked.round_seconds,
        target=asked.target,
        least_seconds=_LEAST_CUDA_WINDOW_S if case.device.startswith("cuda") else usual.least_seconds,
    )


def compiled(workload: Workload) -> Workload:
    """The workload with its network compiled if the case says so; the first calls then compile."""
    if workload.case.compile:
        compile_in_place(workload.network)
    return workload


def take_samples(call: Callable[[], Timing], device: torch.device, case: Case, report: Reporter) -> Timed:
    """Warms up, then repeats the call while energy, clocks and the rest of the machine are watched.

    A call that compiles is made before, and counts neither as warm-up nor against the plan's seconds.
    """
    plan = sampling_plan(case)
    progress = Progress(report)
    first = call().total if case.compile else None
    with clock_probe(device) as probe, energy_meter(device) as energy:
        begun = time.perf_counter()
        warmup = warm_up(call, plan, tell=progress.of("warm-up"))
        gone = time.perf_counter() - begun
        others = ContentionMeter()
        watched = Watched(call, probe)
        energy.start()
        samples = repeat(watched, plan, gone, tell=progress.of("timed"))
        used = energy.stop()
        return Timed(
            warmup=warmup,
            steady=is_steady(warmup),
            samples=samples,
            slowed=tuple(watched.slowed),
            energy=used,
            others_cores=others.others_cores(),
            state=probe.state(),
            first=first,
            clocks_mhz=tuple(watched.clocks_mhz),
        )


def take_turns(
    calls: Sequence[Callable[[], Timing]], device: torch.device, case: Case, report: Reporter
) -> list[Timed]:
    """As `take_samples` for several calls: each once a turn, in an order drawn anew.

    What the machine does meanwhile then hits all alike. The plan's calls are turns here, and its seconds those of all.
    """
    plan, progress = sampling_plan(case), Progress(report)
    with clock_probe(device) as probe:
        turn = _Turn([Watched(call, probe) for call in calls], case.seed)
        begun = time.perf_counter()
        warmup = warm_up(turn, plan, tell=progress.of("warm-up"))
        gone = time.perf_counter() - begun
        others = ContentionMeter()
        repeat(turn, plan, gone, tell=progress.of("timed"))
        used, state, steady = others.others_cores(), probe.state(), is_steady(warmup)
    energy, first = Energy(None, 0.0, "the calls took turns"), len(warmup)
    return [
        Timed(
            warmup=tuple(timing.total for timing in timings[:first]),
            steady=steady,
            samples=tuple(timings[first:]),
            slowed=tuple(watched.slowed[first:]),
            energy=energy,
            others_cores=used,
            state=state,
        )
        for watched, timings in zip(turn.calls, turn.timings, strict=True)
    ]


class _Turn:
    """Every call once; its own timing is the sum.

    Args:
        calls: each is given its place in `timings`.
        seed: of the order.
    """

    def __init__(self, calls: Sequence[Watched], seed: int) -> None:
        self.calls = calls
        self.timings: list[list[Timing]] = [[] for _ in calls]
        self._order = random.Random(seed)

    def __call__(self) -> Timing:
        places = self._order.sample(range(len(self.calls)), len(self.calls))
        for place in places:
            self.timings[place].append(self.calls[place]())
        return Timing(sum(self.timings[place][-1].total for place in places))


def method_of(device: torch.device) -> str:
    return "measured:cuda" if device.type == "cuda" else "measured:host"


class Watched:
    """The call, and outside of its timed part why the GPU is slowed down, and now and then its clock."""

    def __init__(
        self, call: Callable[[], Timing], probe: ClockProbe, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._call = call
        self._probe = probe
        self._clock = clock
        self._next = 0.0
        self.slowed: list[tuple[str, ...]] = []
        self.clocks_mhz: list[int] = []

    def __call__(self) -> Timing:
        timing = self._call()
        self.slowed.append(self._probe.slowed_by())
        if self._clock() >= self._next and (mhz := self._probe.sm_mhz()) is not None:
            self._next = self._clock() + _CLOCK_EVERY_S
            self.clocks_mhz.append(mhz)
        return timing
