"""How far real peaks were from predicted ones, for trainings that other people published and that chose nothing."""

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
            f"bytes of {self.trainings} published trainings, whose half did not choose the model's two numbers "
            "(mmsegmentation's in float32, on V100s with cuDNN 7, predicted for torch 1.5, 1.8 or 1.12 by their date); "
            "reserved bytes were not published, and what cuDNN 8 and 9 choose is not known"
        )


FULL = PeakInterval(0.979, 1.028, 200)
"""Of float32, on the half that did not choose the numbers (`reports/2026-11-28-published-memory/networks.csv`)."""


TOO_FEW = "no interval is told in mixed precision, of which only 12 trainings were published"


def interval_of(precision: str, mode: str) -> PeakInterval | None:
    """For predictions with the expected workspaces; others were not compared.

    None for an inference, of which nothing was published, and for mixed precision: the twelve trainings, whose ratios
    go from 0.96 to 1.69, are too few for a 5th and a 95th percentile.
    """
    return FULL if precision == "fp32" and mode == "train" else None
