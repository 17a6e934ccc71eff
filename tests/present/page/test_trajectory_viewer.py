"""The viewer's data: points by time, and pictures only where they may be published."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from segbench.present.figures import save_figure
from segbench.present.figures_trajectory import error_figure, strip_figure
from segbench.present.page.trajectory_viewer import trajectories
from segbench.records.ledger import Entry

Make = Callable[..., Entry]


def test_points_come_by_end_time_with_everything_measured_there(trajectory: Make) -> None:
    (found,) = trajectories([trajectory()])
    assert found.label == "segnode-w8, synthetic test"
    assert [point.t_end for point in found.points] == [0.0, 0.5, 1.0]
    assert [point.value("nfe_forward") for point in found.points] == [0, 1, 2]


def test_every_image_has_a_frame_an_end_time(trajectory: Make) -> None:
    (found,) = trajectories([trajectory()])
    assert [picture.name for picture in found.pictures] == ["test/0", "test/1"]
    assert [frame.miou for frame in found.pictures[0].frames if frame] == [0.0, 0.1, 0.2]
    assert len({frame.labels for frame in found.pictures[1].frames if frame}) == 3
    assert found.classes[0] == ("sky", (128, 128, 128))


def test_images_of_real_data_are_left_out_whatever_the_ledger_holds(trajectory: Make) -> None:
    (found,) = trajectories([trajectory("camvid")])
    assert (found.pictures, found.classes) == ((), ())
    assert len(found.points) == 3


def test_a_trajectory_without_pictures_still_has_its_curve(trajectory: Make) -> None:
    (found,) = trajectories([trajectory(frames=False)])
    assert (len(found.points), found.pictures) == (3, ())


def test_the_error_figure_has_the_share_of_the_evaluations(trajectory: Make) -> None:
    figure = error_figure(trajectories([trajectory()]))
    assert figure is not None
    assert [(row[1], row[5]) for row in figure.rows] == [(0.0, 0.0), (0.5, 0.5), (1.0, 1.0)]


def test_the_strip_shows_the_pictures_along_time(trajectory: Make, tmp_path: Path) -> None:
    (found,) = trajectories([trajectory()])
    figure = strip_figure(found)
    assert figure is not None
    assert [row[:3] for row in figure.rows[:3]] == [["test/0", 0.0, 0], ["test/0", 0.5, 1], ["test/0", 1.0, 2]]
    assert all(path.stat().st_size for path in save_figure(figure, tmp_path))


def test_there_is_no_strip_of_real_data(trajectory: Make) -> None:
    (found,) = trajectories([trajectory("camvid")])
    assert strip_figure(found) is None


def test_the_share_is_of_the_whole_solve_also_where_the_sweep_goes_beyond_it(trajectory: Make) -> None:
    entry = trajectory()
    beyond = [
        replace(row, factors={"t_end": 1.5, "steps": 3}) for row in entry.measurements if row.factors["steps"] == 2
    ]
    moved = [replace(row, value=3) if row.quantity == "nfe_forward" else row for row in beyond]
    moved = [replace(row, value=0.1) if row.quantity == "pixels_changed" else row for row in moved]
    figure = error_figure(trajectories([replace(entry, measurements=(*entry.measurements, *moved))]))
    assert figure is not None
    assert [(row[1], row[5]) for row in figure.rows] == [(0.0, 0.0), (0.5, 0.5), (1.0, 1.0), (1.5, 1.5)]
