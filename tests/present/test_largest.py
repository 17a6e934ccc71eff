from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from segbench.present.largest import fits_table, largest_table
from segbench.records.case import Case
from segbench.records.ledger import Entry
from segbench.records.measurement import Measurement

MakeEntry = Callable[..., Entry]


def rows(task: str, fits: int | None, fails_at: int | None, mode: str, **detail: object) -> list[Measurement]:
    names = {
        "max_batch": ("max_batch", "max_batch_fails_at"),
        "max_input": ("max_input_pixels", "max_input_fails_at_pixels"),
    }[task]
    detail = {"context_bytes": 500 * 2**20, "limited_by": "reserved", "proof": "replayed", **detail}
    nothing = {} if fits else {"outcome": "does_not_fit", "cause": "1 does not fit: it needs 3.00 GiB of 2.00 GiB"}
    return [
        Measurement(names[0], fits, "predicted", mode=mode, detail=detail, **nothing),  # type: ignore[arg-type]
        Measurement(names[1], fails_at, "predicted", mode=mode, cause=None if fails_at else "end", detail=detail),
    ]


def entry(make: MakeEntry, model: str, task: str, mode: str, *measurements: Measurement, **changes: object) -> Entry:
    case = Case(task, model, device="none", modes=(mode,))
    return replace(make(model, *measurements, case=case), **changes)  # type: ignore[arg-type]


def test_a_bracket_is_shown_with_what_limits_it(make_entry: MakeEntry) -> None:
    found = [entry(make_entry, "unet", "max_batch", "train", *rows("max_batch", 37, 38, "train"))]
    sheet = largest_table(found, {}, "32GB: 29.8 GiB")
    assert sheet.lines() == [["unet", "37", "38", "fragmentation", "-", "ok"]]
    assert any("budget 32GB: 29.8 GiB, of which the CUDA context takes 500 MiB" in note for note in sheet.notes)


def test_a_size_that_runs_by_retries_is_starred_and_explained(make_entry: MakeEntry) -> None:
    found = [entry(make_entry, "unet", "max_batch", "infer", *rows("max_batch", 9, 10, "infer", used={"retries": 2}))]
    sheet = largest_table(found, {}, "1GB")
    assert sheet.lines()[0][1] == "9*"
    assert any(note.startswith("* runs only because") for note in sheet.notes)


def test_nothing_and_no_answer_are_told_apart(make_entry: MakeEntry) -> None:
    found = [
        entry(make_entry, "a", "max_batch", "train", *rows("max_batch", None, 1, "train")),
        entry(make_entry, "b", "max_batch", "train", outcome="timed_out", cause="batch 8: no answer"),
    ]
    (nothing, silent) = largest_table(found, {}, "1GB").lines()
    assert nothing[1:3] == ["nothing", "1"]
    assert "1 does not fit" in nothing[-1]
    assert silent[1] == "timed_out"
    assert silent[-1] == "timed_out: batch 8: no answer"


def test_fits_has_a_row_a_network_with_batches_and_inputs(make_entry: MakeEntry) -> None:
    found = [
        entry(make_entry, "unet", task, mode, *rows(task, 40, 41, mode))
        for task in ("max_batch", "max_input")
        for mode in ("train", "infer")
    ]
    costs = {"parameters": 2 * 10**6, "macs": 3 * 10**9, "train_peak_reserved_bytes": 2**30}
    found.append(
        entry(make_entry, "unet", "predict", "train", *(Measurement(*row, "counted") for row in costs.items()))
    )
    sheet = fits_table(found, "rtx-4090", "rtx-4090: 23.6 GiB")
    assert sheet.lines() == [["unet", "2.00 M", "3.00 G", "1.00 GiB", "-", "40", "40", "40", "40", "ok"]]
    assert "rtx-4090" in sheet.title
    assert not any("depend on data" in note for note in sheet.notes)


def test_fits_says_where_multiply_adds_that_depend_on_data_are_found(make_entry: MakeEntry) -> None:
    untold = Measurement("macs", None, "counted", "infer", cause="how much it computes depends on the image")
    found = [
        entry(make_entry, "mess-small", "max_batch", "train", *rows("max_batch", 40, 41, "train")),
        entry(make_entry, "mess-small", "params", "infer", Measurement("parameters", 2 * 10**6, "counted"), untold),
    ]
    sheet = fits_table(found, "rtx-4090", "rtx-4090: 23.6 GiB")
    assert sheet.lines()[0][:3] == ["mess-small", "2.00 M", "-"]
    assert any("depend on data; `segbench params`" in note for note in sheet.notes)


def test_a_search_that_reached_its_end_says_so(make_entry: MakeEntry) -> None:
    found = [entry(make_entry, "unet", "max_batch", "train", *rows("max_batch", 4096, None, "train"))]
    sheet = largest_table(found, {}, "1TB")
    assert sheet.lines()[0][1:3] == ["≥ 4096", "-"]
    assert "≥: the search ended there, and nothing larger was tried" in sheet.notes
