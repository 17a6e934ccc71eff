from __future__ import annotations

import pytest

from segbench.errors import UserError
from segbench.ode.grid import uniform_grid


def test_the_grid_ends_at_the_last_wanted_time() -> None:
    grid = uniform_grid(1.0, 4, [0.25, 0.75])
    assert grid.times == (0.0, 0.25, 0.5, 0.75)
    assert grid.kept == (1, 3)
    assert grid.steps == 3
    assert grid.step(1) == (0.25, 0.25)


def test_times_that_rounding_moved_a_little_are_points_still() -> None:
    assert uniform_grid(1.0, 10, [0.1 + 0.2]).kept == (3,)


def test_a_time_between_points_is_refused_with_the_points() -> None:
    with pytest.raises(UserError, match=r"time 0\.3 is not a point of the solver's grid \(0, 0\.25, 0\.5, 0\.75, 1\)"):
        uniform_grid(1.0, 4, [0.3])


@pytest.mark.parametrize(("t_end", "steps"), [(0.0, 4), (-1.0, 4), (1.0, 0)])
def test_an_empty_interval_or_no_step_is_refused(t_end: float, steps: int) -> None:
    with pytest.raises(UserError, match="must be positive"):
        uniform_grid(t_end, steps, [1.0])


def test_a_point_named_twice_is_refused() -> None:
    with pytest.raises(UserError, match="name a point of the solver's grid twice"):
        uniform_grid(1.0, 3, [1 / 3, 1 / 3 + 1e-9, 1.0])
