"""How far real peaks were from predicted ones, for trainings that other people published and nothing was fitted to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PeakInterval:
    """Where real allocated bytes lie, nine times of ten.

    Attributes:
        low, high: real to predicted bytes, their 5th and 95th percentile.
        trainings: how many of them.
    """

    low: float
    high: float
    trainings: int

    def around(self, predicted: int) -> list[int]:
        """The ends, in bytes."""
        return [round(self.low * predicted), round(self.high * predicted)]

    @property
    def source(self) -> str:
        """What it says and where it comes from."""
        return (
            f"of 10 real peaks 9 lie from {self.low:.4g} to {self.high:.4g} times the predicted one: so did allocated "
            f"bytes of {self.trainings} published trainings to which nothing was fitted (mmsegmentation's, mostly on "
            "V100s with cuDNN 7 and torch 1.5); reserved bytes were not published, and what cuDNN 8 and 9 choose is "
            "not known"
        )


FULL, MIXED = PeakInterval(0.979, 1.028, 200), PeakInterval(0.96, 1.08, 12)
"""Of float32, on the half that was not fitted; of mixed precision, in which nothing was: 11 of 12 lie within.

Both from `reports/2026-11-28-published-memory/networks.csv`."""


def interval_of(precision: str) -> PeakInterval:
    """For predictions with the expected workspaces; others were not compared."""
    return FULL if precision == "fp32" else MIXED
