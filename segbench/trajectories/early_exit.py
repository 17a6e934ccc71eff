"""One end time an image: after every step those that have settled leave the batch, so that nothing is spent on them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from segbench.errors import UserError
from segbench.ode.block import ODEBlock, accumulated_in_full
from segbench.ode.evaluator import Evaluator
from segbench.ode.grid import uniform_grid
from segbench.ode.methods import SCHEMES
from segbench.ode.state import State, advance
from segbench.trajectories.state_speed import length
from segbench.trajectories.subject import OneState, Subject


@dataclass(frozen=True)
class Observation:
    """What a rule sees of the images that are still running.

    Attributes:
        images: their numbers within the batch.
        step: how many steps they have made.
        state: of the solver.
        scores: logits `(n, classes, h, w)` at the largest stream's size; None for rules that do not read them.
    """

    images: tuple[int, ...]
    step: int
    state: State
    scores: Tensor | None

    def of(self, rows: Tensor) -> Observation:
        """The same for some of the images, by their rows."""
        if len(rows) == len(self.images):
            return self
        kept = tuple(self.images[row] for row in rows.tolist())
        rows = rows.to(self.state[0].device)
        scores = None if self.scores is None else self.scores[rows]
        return Observation(kept, self.step, tuple(part[rows] for part in self.state), scores)


class ExitRule(Protocol):
    """When an image is done."""

    @property
    def name(self) -> str:
        """As the user writes it, `change<0.05`."""

    @property
    def reads_scores(self) -> bool:
        """Whether every observation costs a read-out."""

    def done(self, now: Observation, before: Observation) -> Tensor:
        """Which images are done `(n,)` bool, from what is seen now and was seen a step earlier."""


@dataclass(frozen=True)
class Change:
    """Fewer than this share of the pixels have changed class in the last step; needs no calibrated confidence."""

    limit: float
    reads_scores: bool = True

    @property
    def name(self) -> str:
        return f"change<{self.limit:g}"

    def done(self, now: Observation, before: Observation) -> Tensor:
        assert now.scores is not None and before.scores is not None
        return (now.scores.argmax(1) != before.scores.argmax(1)).double().mean((1, 2)) < self.limit


@dataclass(frozen=True)
class Confidence:
    """The mean over pixels of the largest probability exceeds this."""

    limit: float
    reads_scores: bool = True

    @property
    def name(self) -> str:
        return f"confidence>{self.limit:g}"

    def done(self, now: Observation, before: Observation) -> Tensor:  # noqa: ARG002
        assert now.scores is not None
        return now.scores.softmax(1).amax(1).double().mean((1, 2)) > self.limit


@dataclass(frozen=True)
class StateChange:
    """The last step has moved the state by less than this share of its length; needs no read-out."""

    limit: float
    reads_scores: bool = False

    @property
    def name(self) -> str:
        return f"state<{self.limit:g}"

    def done(self, now: Observation, before: Observation) -> Tensor:
        return length(advance(now.state, [-1.0], [before.state])) / length(now.state) < self.limit


@dataclass(frozen=True)
class Scheduled:
    """Every image's number of steps is known beforehand: the oracle, whose choice needs the truth.

    Attributes:
        name: as the user wrote it.
        steps: of each image of the batch.
    """

    name: str
    steps: Sequence[int]
    reads_scores: bool = False

    def done(self, now: Observation, before: Observation) -> Tensor:  # noqa: ARG002
        wanted = torch.tensor([self.steps[image] for image in now.images], device=now.state[0].device)
        return wanted <= now.step


@dataclass(frozen=True)
class Oracle:
    """Not a rule but a bound: the earliest end whose mean IoU on this very image is at most so far below the last's.

    It reads the truth, so it can only be played back (`Scheduled`).
    """

    limit: float

    @property
    def name(self) -> str:
        return f"oracle<{self.limit:g}"


_RULES: dict[tuple[str, str], tuple[Callable[[float], ExitRule | Oracle], float]] = {
    ("change", "<"): (Change, 0.05),
    ("confidence", ">"): (Confidence, 0.9),
    ("state", "<"): (StateChange, 0.1),
    ("oracle", "<"): (Oracle, 0.005),
}
"""Word and sign -> how the rule is made, and the usual threshold."""

_ADVICE = "write change<0.05, confidence>0.9, state<0.1 or oracle (or a word alone for these thresholds)"


def parse_rule(text: str) -> ExitRule | Oracle:
    """The rule a user means by `change<0.05`, or by `change` alone.

    Raises:
        UserError: no such rule, or a threshold that is no number between 0 and 1.
    """
    match = re.fullmatch(r"\s*([a-z]+)\s*(?:([<>])\s*([0-9.eE+-]+))?\s*", text)
    word, sign, number = match.groups() if match else ("", None, None)
    try:
        limit = float(number) if number is not None else None
    except ValueError:
        limit = -1.0
    if limit is not None and not 0 <= limit <= 1:
        raise UserError(f"--stop {text!r}: the threshold must be a number from 0 to 1; {_ADVICE}")
    for (name, own_sign), (rule, usual) in _RULES.items():
        if word == name and sign in (None, own_sign):
            return rule(usual if limit is None else limit)
    raise UserError(f"--stop {text!r} is no rule; {_ADVICE}")


@dataclass(frozen=True, eq=False)
class Stopped:
    """A batch of which every image ended by itself.

    Attributes:
        steps: each image made.
        evaluations: of f each image took part in.
        observations: read-outs the rule made for each image, beyond the one of the answer.
        logits: `(N, classes, H, W)`.
    """

    steps: tuple[int, ...]
    evaluations: tuple[float, ...]
    observations: tuple[int, ...]
    logits: Tensor


@torch.no_grad()
def answer_early(subject: Subject, images: Tensor, rule: ExitRule) -> Stopped:
    """Solves step by step on the training's grid; an image that is done is read out and leaves the batch.

    At least one step is made, and no observation is made after the last one.

    Raises:
        UserError: the network has no single state, or its solver no fixed grid.
    """
    network, count = subject.streams, len(images)
    size = (images.shape[-2], images.shape[-1])
    stepper = SolverStepper(network.ode, network.encode(images))
    observations = Counter[int]()
    steps, evaluations = [0] * count, [0.0] * count
    logits: list[Tensor] = [images.new_empty(0)] * count
    before = _observe(network, stepper, tuple(range(count)), rule, observations)
    while before.images:
        stepper.advance()
        now = _observe(network, stepper, before.images, rule, observations)
        done = rule.done(now, before) if not stepper.is_over else torch.ones(len(now.images), dtype=torch.bool)
        leaving, before = now.of(_rows(done)), now.of(_rows(~done))
        stepper.keep(_rows(~done))
        if leaving.images:
            answers = network.decode(leaving.state, size)
        for row, image in enumerate(leaving.images):
            steps[image], evaluations[image], logits[image] = stepper.step, stepper.evaluations, answers[row]
    return Stopped(
        tuple(steps), tuple(evaluations), tuple(observations[image] for image in range(count)), torch.stack(logits)
    )


def _observe(
    network: OneState, stepper: SolverStepper, images: tuple[int, ...], rule: ExitRule, observations: Counter[int]
) -> Observation:
    """What the rule may see; nothing is read out at the end, where there is nothing left to decide."""
    if not rule.reads_scores or stepper.is_over:
        return Observation(images, stepper.step, stepper.state, None)
    observations.update(images)
    return Observation(images, stepper.step, stepper.state, network.decode(stepper.state, _size(stepper.state)))


def _size(state: State) -> tuple[int, int]:
    return state[0].shape[-2], state[0].shape[-1]


def _rows(chosen: Tensor) -> Tensor:
    return chosen.nonzero()[:, 0]


class SolverStepper:
    """A solve on a fixed grid, one step at a time, from which samples can be taken away.

    Args:
        block: its solver, grid and counters are used.
        state: at t = 0.

    Raises:
        UserError: the solver is adaptive: its steps are decided by all samples together.
    """

    def __init__(self, block: ODEBlock, state: State) -> None:
        if block.solver not in SCHEMES:
            raise UserError(f"--stop needs a fixed grid, and {block.solver} chooses its steps; take -a solver=euler")
        state = accumulated_in_full(state)
        self._scheme = SCHEMES[block.solver]
        self._grid = uniform_grid(block.t_end, block.steps, [block.t_end])
        self._f = Evaluator(block.f, state, block.counts)
        self._block = block
        self._begun = block.nfe_forward
        self._carry = self._scheme.start(self._f, self._grid, state)
        self.step, self._steps = 0, block.steps

    @property
    def state(self) -> State:
        """At the current time."""
        return self._carry[0]

    @property
    def is_over(self) -> bool:
        """Whether the end of the interval is reached."""
        return self.step == self._steps

    @property
    def evaluations(self) -> float:
        """Of f, since t = 0."""
        return self._block.nfe_forward - self._begun

    def advance(self) -> None:
        """Makes the next step."""
        self._carry = self._scheme.step(self._f, self._grid, self.step, self._carry)
        self.step += 1

    def keep(self, rows: Tensor) -> None:
        """Goes on with some of the samples, by their rows."""
        if len(rows) < len(self.state[0]):
            rows = rows.to(self.state[0].device)
            self._carry = tuple(tuple(part[rows] for part in state) for state in self._carry)
