"""What a person sees of a training: its live line, and the table at its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.text import Text

from segbench.present.amounts import in_percent
from segbench.present.formats import COUNT, PERCENT, SECONDS, Value
from segbench.present.progress import CellProgress
from segbench.present.provenance import provenance
from segbench.present.table import Column, Columns, Table, table_of
from segbench.present.values import Cards, measured, outcome, value_of
from segbench.records.case import Case, Json
from segbench.records.ledger import Entry
from segbench.records.options import TrainOptions


class TrainingProgress(CellProgress):
    """Loss, score, images a second and the time that is left; without a terminal one line a validation.

    Args:
        names: what to call each case.
        console: on stderr.
    """

    def __init__(self, names: Mapping[Case, str], console: Console) -> None:
        super().__init__(names, console)
        self._last: Mapping[str, Json] = {}

    def listen(self, case: Case, kind: str, event: Mapping[str, Json]) -> None:
        """Hears a child's event."""
        extra = event.get("extra") or {}
        if kind != "progress" or "eta_s" not in extra:
            super().listen(case, kind, event)
            return
        super().listen(case, kind, {**event, "stage": f"{training_line(extra)}, step"})
        if extra["scores"] and extra["scores"] != self._last and not self._console.is_terminal:
            self._last = extra["scores"]
            line = f"{self._names[case]}: step {event['done']}/{event['total']}, {training_line(extra)}"
            self._console.print(Text(line), highlight=False, soft_wrap=True)


def training_line(extra: Mapping[str, Json]) -> str:
    """`loss 0.412, miou 53.1 %, 25.2 images/s, 12:30 left`."""
    parts = [f"loss {extra['loss']:.3f}"] if extra["loss"] is not None else []
    parts += [f"{name} {in_percent(score)}" for name, score in list(extra["scores"].items())[:1]]
    seconds = max(0, round(extra["eta_s"]))
    hours, minutes, rest = seconds // 3600, seconds // 60 % 60, seconds % 60
    left = f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
    return ", ".join([*parts, f"{extra['images_per_s']:.1f} images/s", f"{left} left"])


def training_tables(entries: Sequence[Entry], _cards: Cards | None = None) -> list[Table]:
    """One row a network: what its last and its best weights score on the validation split."""
    columns: Columns = [
        "network",
        *(Column("parameters", COUNT), Column("steps", COUNT)),
        *(Column("training time", SECONDS), Column("time per step", SECONDS)),
        *(Column("last", PERCENT), Column("best", PERCENT), Column("at step", COUNT)),
        "outcome",
    ]
    notes = [
        provenance(entries),
        *_folders(entries),
        *_clocks(entries),
        *(
            f"{what}; best is selected on that split and is therefore optimistic: evaluate on another split"
            for what in _scored(entries)
        ),
    ]
    return [table_of("Training", columns, [_row(entry) for entry in entries], notes)]


def _row(entry: Entry) -> list[Value]:
    score = next((item for name in ("miou", "image_accuracy") if (item := measured(entry, name))), None)
    told = score or measured(entry, "train_step_s")  # a training without validation has no score
    detail = told.detail if told else {}
    return [
        entry.model,
        value_of(entry, "parameters"),
        detail.get("steps"),
        detail.get("seconds"),
        _step_time(entry, detail),
        score.value if score else None,
        detail.get("best"),
        detail.get("best_step") or None,
        outcome(entry),
    ]


def _step_time(entry: Entry, detail: Mapping[str, Json]) -> float | None:
    """The mean of wall time, or where a finished run was only looked at again that of the budget's clock."""
    found = value_of(entry, "train_step_s")
    if found is None and detail.get("seconds") and detail.get("steps"):
        return float(detail["seconds"] / detail["steps"])
    return found


def _scored(entries: Sequence[Entry]) -> list[str]:
    """What the scores are of."""
    sorts = {
        "miou": "mIoU of the validation split from one confusion matrix, absent classes skipped",
        "image_accuracy": "share of the validation split's images whose class is right",
    }
    return [what for name, what in sorts.items() if any(measured(entry, name) for entry in entries)]


def _clocks(entries: Sequence[Entry]) -> list[str]:
    """By which clock the times are."""
    on_cpu = any(entry.case.device == "cpu" for entry in entries)
    notes = ["training time: CPU time of the process, all threads together, or wall time on CUDA"] if on_cpu else []
    names = [entry.model for entry in entries if measured(entry, "miou") and value_of(entry, "train_step_s") is None]
    return notes + (
        [f"time per step of a run that had ended before, by the same clock: {', '.join(names)}"] if names else []
    )


def _folders(entries: Sequence[Entry]) -> list[str]:
    return [
        f"{entry.model}: {entry.case.options_as(TrainOptions).folder}" for entry in entries if entry.outcome == "ok"
    ]
