from __future__ import annotations

import pytest

from segbench.data.streets.camera import Camera

CAMERA = Camera(focal=500.0, centre=320.0, horizon=180.0, height=1.5)


@pytest.mark.parametrize("z", [3.0, 50.0, 1e6])
def test_a_point_at_the_cameras_height_lies_on_the_horizon_at_any_distance(z: float) -> None:
    assert CAMERA.point(0.0, 1.5, z) == (320.0, 180.0)
    assert CAMERA.point(2.0, 1.5, z)[1] == 180.0


def test_far_away_everything_meets_in_the_vanishing_point() -> None:
    column, row = CAMERA.point(4.0, 0.0, 1e9)
    assert column == pytest.approx(320.0, abs=1e-5)
    assert row == pytest.approx(180.0, abs=1e-5)


def test_a_point_lands_where_similar_triangles_put_it() -> None:
    # 10 m ahead a metre is 50 pixels: 2 m to the right, 1.5 m below the lens.
    assert CAMERA.scale(10.0) == 50.0
    assert CAMERA.point(2.0, 0.0, 10.0) == (420.0, 255.0)
    assert CAMERA.point(-2.0, 3.0, 10.0) == (220.0, 105.0)


def test_twice_as_far_is_half_as_large() -> None:
    near, far = (CAMERA.front(-1.0, 1.0, 0.0, 2.0, z) for z in (10.0, 20.0))
    assert near[1][0] - near[0][0] == 2 * (far[1][0] - far[0][0]) == 100.0


def test_rectangles_are_given_corner_by_corner() -> None:
    assert CAMERA.floor(-1, 1, 5, 10) == [CAMERA.point(x, 0, z) for x, z in ((-1, 5), (1, 5), (1, 10), (-1, 10))]
    assert CAMERA.wall(3, 5, 10, 0, 2) == [CAMERA.point(3, y, z) for y, z in ((0, 5), (2, 5), (2, 10), (0, 10))]
    front = CAMERA.front(-1, 1, 0, 2, 5)
    assert front == [CAMERA.point(x, y, 5) for x, y in ((-1, 0), (1, 0), (1, 2), (-1, 2))]


def test_a_raised_floor_is_a_table_top() -> None:
    assert CAMERA.floor(-1, 1, 5, 10, y=0.8)[0] == CAMERA.point(-1, 0.8, 5)
