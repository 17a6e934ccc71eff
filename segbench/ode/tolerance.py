"""What an adaptive solver is asked for."""

from __future__ import annotations

from dataclasses import dataclass

MOST_STEPS = 1000
"""Between two wanted times; U-Node's released code has the same limit. A solve that needs more has diverged."""


@dataclass(frozen=True)
class Tolerance:
    """Error allowed in a step: `atol + rtol |y|`, root mean square over a part, largest over the parts."""

    rtol: float = 1e-3
    atol: float = 1e-3
