"""The two axes of a search: how a size becomes a case, and which quantities tell the answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from segbench.records.axis import InputAxis
from segbench.records.case import Case


@dataclass(frozen=True)
class SearchAxis:
    """What grows.

    Attributes:
        answer, other: quantities of the largest size that fits and of the one that does not.
        at: the case at a size.
        amount: the quantity's value at a size, to which memory is in proportion.
        size_of: the size of an amount, inverse of `amount`.
        unit: one word for sentences.
    """

    answer: str
    other: str
    at: Callable[[int], Case]
    amount: Callable[[int], int]
    size_of: Callable[[float], int]
    unit: str


def axis_of(case: Case) -> SearchAxis:
    """The axis of a case whose task is `max_batch` or `max_input`; the case has one mode."""
    return _input_axis(case) if case.task == "max_input" else _batch_axis(case)


def _batch_axis(case: Case) -> SearchAxis:
    field = "batch_size" if case.modes == ("train",) else "infer_batch"
    return SearchAxis(
        answer=case.kind.headline,
        other=case.kind.bound,
        at=lambda size: case.for_task("memory", **{field: size}),
        amount=lambda size: size,
        size_of=lambda amount: max(1, int(amount)),
        unit="batch",
    )


def _input_axis(case: Case) -> SearchAxis:
    sizes = InputAxis(case.width, case.height)

    def at(size: int) -> Case:
        width, height = sizes.size(size)
        return case.for_task("memory", width=width, height=height)

    return SearchAxis(
        answer=case.kind.headline,
        other=case.kind.bound,
        at=at,
        amount=sizes.pixels,
        size_of=sizes.number_of,
        unit="input",
    )
