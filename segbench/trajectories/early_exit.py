"""What `--stop` may say: a policy under which images end by themselves, or the oracle."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from segbench.adaptive.decisions import Decisions
from segbench.adaptive.policies import Policy, Signal, parse_policy
from segbench.errors import UserError

_ORACLE = re.compile(r"\s*oracle\s*(?:<\s*([0-9.eE+-]+))?\s*")
_USUAL = 0.005


@dataclass(frozen=True)
class Oracle:
    """Not a rule but a bound: the earliest end whose mean IoU on this very image is at most so far below the last's.

    It reads the truth, so its choice can only be made again (`segbench.adaptive.decisions.Replayed`).
    """

    limit: float

    @property
    def name(self) -> str:
        return f"oracle<{self.limit:g}"


def parse_stop(text: str) -> Policy | Oracle:
    """The rule a user means by `change<0.05`, or by `change` alone.

    Raises:
        UserError: no such rule, or a threshold that is no number between 0 and 1.
    """
    try:
        match = _ORACLE.fullmatch(text)
        if match is None:
            return _without_signal(parse_policy(text))
        limit = _USUAL if match[1] is None else float(match[1])
        if not 0 <= limit <= 1:
            raise ValueError
    except ValueError as error:
        raise UserError(f"--stop {text!r}: the threshold must be a number from 0 to 1") from error
    except UserError as error:
        raise UserError(f"--stop {error}; or oracle<0.005") from error
    return Oracle(limit)


def _without_signal(policy: Policy) -> Policy:
    if isinstance(policy, Signal):
        raise UserError(
            f"{policy.name!r} asks for a policy of the network's own, which no solver has; write change<0.05"
        )
    return policy


def ending_after(stages: Sequence[int]) -> list[Decisions]:
    """The decisions of images that end after so many stages."""
    return [tuple(torch.tensor(made < wanted) for made in range(1, wanted + 1)) for wanted in stages]
