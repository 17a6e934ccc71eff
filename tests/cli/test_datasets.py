from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from segbench.cards.datasets import DATASETS
from segbench.cells.cell import Listener
from segbench.cells.cell import Result as CellResult
from segbench.cells.executor import LocalExecutor
from segbench.cli import datasets as command
from segbench.errors import DataError
from segbench.records.case import Case
from segbench.records.measurement import Measurement


@pytest.fixture(autouse=True)
def no_places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing is configured unless a test does it."""
    monkeypatch.delenv("SEGBENCH_DATA", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture
def camvid(tmp_path: Path) -> Path:
    (tmp_path / "camvid/trainannot").mkdir(parents=True)
    return tmp_path / "camvid"


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(command.datasets, list(arguments))


def _found(broken: Sequence[dict[str, str]] = ()) -> dict[str, object]:
    return {
        "split": "train",
        "layout": "segnet",
        "options": {},
        "images": 2,
        "expected": 367,
        "broken": list(broken),
        "sizes": {"8x6": 1, "9x6": 1, "7x6": 1},
        "class_pixels": [75, 0, 15, *([0] * 8)],
        "class_images": [2, 0, 1, *([0] * 8)],
        "ignored_pixels": 10,
        "fingerprint": "0123456789ab",
        "passed": not broken,
    }


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> list[CellResult]:
    """Put a child's answer here; the case it was asked comes back in its place."""
    answers: list[CellResult] = []

    def run(case: Case, timeout_s: float, listen: Listener) -> CellResult:
        listen(case, "progress", {"stage": "train", "done": 1, "total": 2})
        answers.append(CellResult(case, "ok", None, None, (), 0.0))
        return answers[0]

    monkeypatch.setattr(command, "local_executor", lambda: LocalExecutor(run))
    return answers


def _answer(detail: dict[str, object] | None, outcome: str = "ok", **more: object) -> CellResult:
    rows = (Measurement("images_per_s", 10.0, "measured:host", detail=detail),) if detail else ()
    return CellResult(Case("check_dataset", ""), outcome, more.pop("cause", None), None, rows, 1.0, **more)  # type: ignore[arg-type]


def test_the_catalogue_names_every_set_and_where_it_lies(camvid: Path) -> None:
    result = invoke("--data-root", str(camvid.parent))
    assert result.exit_code == 0
    for name in DATASETS:
        assert f"{name}:" in result.stdout
    assert "built in" in result.stdout
    assert "not found" in result.stdout


def test_one_set_is_shown_with_download_layout_and_options() -> None:
    result = invoke("show", "cityscapes", "--format", "markdown")
    for part in ("leftImg8bit_trainvaltest.zip", "CITY_SEQ_FRAME", "18 bicycle", "cityscapes:images=yes", "Cordts"):
        assert part in result.stdout


def test_a_check_shows_counts_shares_and_sizes(camvid: Path, answer: list[CellResult]) -> None:
    answer.append(_answer(_found()))
    result = invoke("check", "camvid", "--data-root", str(camvid))
    assert result.exit_code == 0
    for part in ("segnet", "367", "75.00 %", "10.00 %", "8x6 (1), 9x6 (1), 1 other sizes", "0123456789ab", "0 sky"):
        assert part in result.stdout
    assert "official one is no fault" in result.stdout


def test_broken_files_are_listed_and_fail_unless_skipped(camvid: Path, answer: list[CellResult]) -> None:
    broken = [{"name": str(number), "path": f"/d/{number}.png", "reason": "it is empty"} for number in range(25)]
    answer.append(_answer(_found(broken)))
    result = invoke("check", "camvid", "--data-root", str(camvid))
    assert result.exit_code == 1
    assert "/d/19.png: it is empty" in result.stdout
    assert "/d/20.png" not in result.stdout
    assert "and 5 more; --format json names all" in " ".join(result.stdout.split())
    assert invoke("check", "camvid", "--data-root", str(camvid), "--skip-broken").exit_code == 0


def test_json_names_everything(camvid: Path, answer: list[CellResult]) -> None:
    answer.append(_answer(_found()))
    result = invoke("check", "camvid", "--data-root", str(camvid), "--format", "json")
    assert json.loads(result.stdout) == {"dataset": "camvid", "splits": [_found()]}


def test_the_child_is_asked_for_the_splits_and_the_page(camvid: Path, answer: list[CellResult]) -> None:
    answer.append(_answer(_found()))
    page = camvid / "page.png"
    invoke(
        "check", "camvid:grouping=strict", "--data-root", str(camvid), "--split", "val", "--contact-sheet", str(page)
    )
    case = answer[1].case
    assert (case.dataset, case.data_root) == ("camvid:grouping=strict", str(camvid))
    assert (case.options.splits, case.options.contact_sheet) == (("val",), str(page))


def test_the_users_mistake_in_the_child_is_an_error_here(camvid: Path, answer: list[CellResult]) -> None:
    answer.append(_answer(None, "failed", cause="split 'test' is not in it", user_error=True))
    result = invoke("check", "camvid", "--data-root", str(camvid))
    assert isinstance(result.exception, DataError)


def test_a_child_that_died_fails(camvid: Path, answer: list[CellResult]) -> None:
    answer.append(_answer(None, "crashed", cause="killed by signal 9"))
    result = invoke("check", "camvid", "--data-root", str(camvid))
    assert result.exit_code == 1
    assert "crashed: killed by signal 9" in result.stderr


def test_a_set_that_is_nowhere_starts_no_child(answer: list[CellResult]) -> None:
    result = invoke("check", "lip")
    assert isinstance(result.exception, DataError)
    assert "TrainVal_images.zip" in str(result.exception)
    assert not answer


def test_the_real_child_checks_and_draws(tmp_path: Path) -> None:
    page = tmp_path / "page.png"
    result = invoke("check", "synthetic:size=64x48,count=2", "--split", "val", "--contact-sheet", str(page))
    assert result.exit_code == 0, result.stderr
    assert "64x48 (2)" in result.stdout
    assert f"wrote {page}" in result.stderr.replace("\n", "")
    with Image.open(page) as drawn:
        assert drawn.width > 1000
