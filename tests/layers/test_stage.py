from __future__ import annotations

import threading

from segbench.layers.stage import Stage, at_stage, current_stage


def test_outside_of_any_solve_the_stage_is_the_first_and_nothing_is_recomputed() -> None:
    assert current_stage() == Stage(0, False)


def test_stages_nest_and_close_again() -> None:
    with at_stage(3):
        with at_stage(5):
            assert current_stage().index == 5
        assert current_stage().index == 3
    assert current_stage().index == 0


def test_whatever_runs_inside_a_recomputation_is_one_and_keeps_its_stage() -> None:
    with at_stage(2, recomputing=True), at_stage(7):
        assert current_stage() == Stage(7, True)
    with at_stage(4), at_stage(recomputing=True):
        assert current_stage() == Stage(4, True)


def test_a_stage_closes_when_its_evaluation_fails() -> None:
    try:
        with at_stage(9):
            raise ValueError
    except ValueError:
        pass
    assert current_stage().index == 0


def test_another_thread_has_a_stage_of_its_own() -> None:
    seen: list[int] = []
    with at_stage(6):
        thread = threading.Thread(target=lambda: seen.append(current_stage().index))
        thread.start()
        thread.join()
    assert seen == [0]
