"""What an adaptive solver is asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass

from segbench.errors import UserError

MOST_STEPS = 1000
"""Between two wanted times; U-Node's released code has the same limit. A solve that needs more has diverged."""


@dataclass(frozen=True)
class Tolerance:
    """Error allowed in a step: `atol + rtol |y|`, root mean square over a part, largest over the parts.

    Raises:
        UserError: a tolerance that is no number from 0, or none at all: no step would be small enough.
    """

    rtol: float = 1e-3
    atol: float = 1e-3

    def __post_init__(self) -> None:
        for name, value in (("rtol", self.rtol), ("atol", self.atol)):
            if not is_number(value) or value < 0:
                raise UserError(f"{name} is {value!r}; it must be a number from 0")
        if self.rtol == self.atol == 0:
            raise UserError("rtol and atol are both 0, which no step can meet; give one of them, as in rtol=1e-3")


def is_number(value: object) -> bool:
    """Whether it is a finite int or float."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
