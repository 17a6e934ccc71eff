"""How often f was evaluated, and how many steps an adaptive solver took."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction


@dataclass
class Counts:
    """Sums over all solves since the last reset.

    Where samples are solved one after another (`per_sample_norm`) an evaluation counts by its share of the batch, so
    that the sums stay comparable: they are then means over the samples.

    Attributes:
        forward: evaluations of f in forward solves.
        backward: evaluations in backward passes, each with a vector-Jacobian product.
        accepted, rejected: steps of adaptive solvers, forward only.
    """

    forward: Fraction = Fraction(0)
    backward: Fraction = Fraction(0)
    accepted: Fraction = Fraction(0)
    rejected: Fraction = Fraction(0)


def plain_number(count: Fraction) -> int | float:
    """A whole number where it is one."""
    return int(count) if count.denominator == 1 else float(count)
