from __future__ import annotations

from collections.abc import Callable

from segbench.present.figures_training import learning_figure
from segbench.present.training import training_tables
from segbench.records.case import Case
from segbench.records.ledger import Entry
from segbench.records.measurement import Measurement

Make = Callable[..., Entry]


def trained(make: Make, name: str, *others: Measurement, score: float = 0.5) -> Entry:
    detail = {"steps": 400, "seconds": 120.0, "curve": [[200, 60.0, 0.25], [400, 120.0, score]]}
    return make(name, Measurement("miou", score, "measured:host", detail=detail), *others, case=Case("train", name))


def test_the_learning_figure_has_every_validation(make_entry: Make) -> None:
    figure = learning_figure([trained(make_entry, "a"), trained(make_entry, "b"), make_entry("c")])
    assert figure is not None
    assert figure.rows[:2] == [["a", 200, 1.0, 0.25], ["a", 400, 2.0, 0.5]] and len(figure.rows) == 4
    (axes,) = figure.draw(figure.rows).axes
    assert [list(line.get_ydata()) for line in axes.lines] == [[25, 50], [25, 50]]


def test_many_trainings_get_a_panel_each_the_best_first(make_entry: Make) -> None:
    figure = learning_figure([trained(make_entry, f"n{place}", score=place / 10) for place in range(1, 10)])
    assert figure is not None
    panels = [axes for axes in figure.draw(figure.rows).axes if axes.axison]
    assert [axes.get_title(loc="left") or axes.get_title() for axes in panels][:2] == ["n9  90.0", "n8  80.0"]
    assert len(panels) == 9
    assert all(len(axes.lines) == 10 for axes in panels), "all in grey and its own"
    assert list(panels[0].lines[-1].get_ydata()) == [25, 90]


def test_a_single_training_has_a_curve_of_its_own(make_entry: Make) -> None:
    assert learning_figure([trained(make_entry, "a")]) is None


def test_a_run_that_was_only_looked_at_shows_the_mean_time_of_its_steps(make_entry: Make) -> None:
    step = Measurement("train_step_s", 0.25, "measured:host", mode="train")
    (sheet,) = training_tables([trained(make_entry, "a"), trained(make_entry, "b", step)])
    assert [row[4] for row in sheet.lines()] == ["300 ms", "250 ms"]
    assert "time per step of a run that had ended before, by the same clock: a" in sheet.notes
    assert "training time: CPU time of the process, all threads together, or wall time on CUDA" in sheet.notes


def test_a_training_without_validation_shows_its_steps_and_time(make_entry: Make) -> None:
    detail = {"steps": 60, "seconds": 12.0, "timed_steps": 60}
    step = Measurement("train_step_s", 0.2, "measured:host", mode="train", detail=detail)
    (sheet,) = training_tables([make_entry("a", step, case=Case("train", "a"))])
    (line,) = sheet.lines()
    assert line[2:6] == ["60", "12.0 s", "200 ms", "-"]
