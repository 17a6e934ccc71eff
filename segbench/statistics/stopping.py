"""When enough has been measured: at a noise target, and never before a minimum or after a maximum."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from segbench.errors import UserError
from segbench.statistics.intervals import RoundSamples, estimate_median


@dataclass(frozen=True)
class StopDecision:
    """Whether to stop after a round.

    Attributes:
        stop: no further round is needed or allowed.
        reached: the noise target is met.
        half_width: relative half-width of the median's confidence interval, infinite where unknown.
        why: one clause, for people.
    """

    stop: bool
    reached: bool
    half_width: float
    why: str


@dataclass(frozen=True)
class StopRule:
    """How long one network is measured.

    Attributes:
        target: wanted relative half-width of the median's 95 % confidence interval.
        min_rounds: fresh processes at least; the interval rests on them.
        min_runs, max_runs: timed calls over all rounds; by default more than a GPU makes in the window that its energy
            counter needs.
        max_seconds: time for the network's processes, start included, compiling not; looked at between rounds.
    """

    target: float = 0.01
    min_rounds: int = 5
    min_runs: int = 10
    max_runs: int = 10_000
    max_seconds: float = 60.0

    def __post_init__(self) -> None:
        if not 0 < self.target < 1:
            raise UserError(f"the noise target is {self.target:g}; give a share of the median such as 0.01")
        if self.min_rounds < 1 or self.min_runs < 1 or self.max_seconds <= 0:
            raise UserError("rounds, --min-runs and --max-seconds must be positive")
        if self.max_runs < self.min_runs:
            raise UserError(f"--max-runs {self.max_runs} is below --min-runs {self.min_runs}")

    def options(self) -> dict[str, float]:
        """As options of a case (`segbench.records.options.TimingOptions`)."""
        return asdict(self)

    def judge(self, rounds: RoundSamples, seconds: float) -> StopDecision:
        """The verdict after these rounds, which took so many seconds; pure."""
        runs = sum(len(samples) for samples in rounds)
        half = estimate_median(rounds).relative_half_width if runs else float("inf")
        enough = len(rounds) >= self.min_rounds and runs >= self.min_runs
        reached = enough and half <= self.target
        noise = (
            "how well the median is known takes two rounds"
            if half == float("inf")
            else f"the median is known to ±{_percent(half)}, the target is ±{_percent(self.target)}"
        )
        if half <= self.target and not enough:
            asked = f"{self.min_rounds} rounds and {self.min_runs} runs"
            noise += f" with {asked}; there were {len(rounds)} and {runs}"
        if reached:
            return StopDecision(True, True, half, f"noise target reached: {noise}")
        if seconds >= self.max_seconds:
            return StopDecision(True, False, half, f"stopped by --max-seconds {self.max_seconds:g}: {noise}")
        if runs >= self.max_runs:
            return StopDecision(True, False, half, f"stopped by --max-runs {self.max_runs}: {noise}")
        return StopDecision(False, False, half, noise)


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share < 0.995 else f"{100 * share:.0f} %"
