"""The one table of tasks, against what it speaks of."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from types import NoneType
from typing import get_args

import pytest

import segbench.tasks
from segbench.errors import UnknownName
from segbench.records.case import Case
from segbench.records.options import Options
from segbench.records.quantities import QUANTITIES
from segbench.records.tasks import MODES, TASKS, Task, task_named, task_recorded
from segbench.studies.command_tables import tables_of
from segbench.studies.conditions import CONDITIONS

FIELDS = {item.name for item in fields(Case)} | {"input"}
MODULES = {
    path.stem
    for path in Path(segbench.tasks.__file__).parent.glob("*.py")
    if "\ndef run(case: Case, report: Reporter)" in path.read_text(encoding="utf-8")
}
EVERY = pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: task.name)


def test_every_task_has_a_module_and_every_module_a_row() -> None:
    assert set(TASKS) - {"benchmark"} == MODULES


@EVERY
def test_what_a_task_is_about_exists(task: Task) -> None:
    named = {task.quantity(mode) for mode in task.modes} | {*task.shown, *task.answers}
    assert named <= set(QUANTITIES)
    assert set(task.modes) <= set(MODES) and task.modes
    assert task.predicted_by is None or task.predicted_by in TASKS
    predicted = TASKS[task.predicted_by].options.model_fields if task.predicted_by else {}
    assert set(task.factors) <= {*FIELDS, *predicted}
    assert not task.bound or task.bound in QUANTITIES
    assert set(task.alike) <= set(CONDITIONS)
    assert not task.tables or callable(tables_of(task))
    assert not task.trained_run or task.trained_run in task.options.model_fields
    assert set(task.seconds) <= {"none", "cpu", "cuda"}


@EVERY
def test_a_task_has_options_of_its_own_that_survive_a_record(task: Task) -> None:
    options = task.options()
    assert isinstance(options, Options) and options.given() == {}
    assert task.options.recorded(options.to_json()) == options


@EVERY
def test_an_option_that_is_none_is_none_in_the_child(task: Task) -> None:
    """Also where that is not the usual: an epoch of as many images as the copy at hand has."""
    optional = [name for name, item in task.options.model_fields.items() if NoneType in get_args(item.annotation)]
    options = task.options.parse(dict.fromkeys(optional))
    assert task.options.parse(json.loads(json.dumps(options.to_json()))) == options


def test_a_task_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UnknownName, match="did you mean memory"):
        task_named("memroy")


def test_tasks_of_older_records_are_found_under_their_new_names() -> None:
    assert task_recorded("segnode_vs_hrnet").name == "benchmark"
