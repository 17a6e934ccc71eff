"""The tables of `max-batch`, `max-input` and `fits`: brackets, what limits them, and the paper's figure beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from segbench.cards.card import ModelCard
from segbench.present.amounts import MISSING, in_bytes
from segbench.present.formats import BYTES, LARGE_COUNT, MILLIONS, Value
from segbench.present.provenance import provenance
from segbench.present.table import Cell, Column, Columns, Rows, Table, table_of
from segbench.present.values import measured, outcome, paper, paper_conditions, value_of
from segbench.records.ledger import Entry
from segbench.records.measurement import Measurement
from segbench.records.quantities import QUANTITIES

_MODES = {"train": "training", "infer": "inference"}
_ASKED = ("max_batch", "max_input")
_TITLES = {"count": "Largest batch", "pixel": "Largest input"}
"""By the unit of the answer."""
_LIMITS = {"allocated": "tensors", "reserved": "fragmentation", "process": "process with context"}


def largest_table(entries: Sequence[Entry], cards: Mapping[str, ModelCard], budget: str) -> Table:
    """One row a network: for each mode what fits and what does not, what limits it, and the paper's batch.

    Args:
        budget: its name, amount and source, for the notes.
    """
    kind = entries[0].case.kind
    modes = [mode for mode in _MODES if any(mode in entry.case.modes for entry in entries)]
    found = {(entry.model, entry.case.modes[0]): entry for entry in entries}
    names = list(dict.fromkeys(entry.model for entry in entries))
    columns: Columns = ["\nnetwork"]
    for mode in modes:
        says = (f"{_MODES[mode]}\nfits", "\ndoes not", "\nlimited by")
        columns += [Column(heading, name=f"{_MODES[mode]} {heading.split(chr(10))[1]}") for heading in says]
    with_paper = kind.headline == "max_batch" and "train" in modes
    columns += ["\npaper"] * with_paper + ["\noutcome"]
    rows: Rows = []
    for name in names:
        row: list[Value | Cell] = [name]
        for mode in modes:
            row += _bracket(found.get((name, mode)))
        if with_paper:
            trained = found.get((name, "train"))
            row.append(paper(trained, "max_batch", cards) if trained else None)
        rows.append([*row, _outcome([found[name, mode] for mode in modes if (name, mode) in found])])
    return table_of(_TITLES[QUANTITIES[kind.headline].unit], columns, rows, _notes(entries, cards, budget))


def fits_table(entries: Sequence[Entry], name: str, budget: str) -> Table:
    """One row a network: parameters, multiply-adds and memory; largest batch and largest input, by mode."""
    found = {(entry.model, entry.case.task, mode): entry for entry in entries for mode in entry.case.modes}
    asked = [task for task in _ASKED if any(entry.case.task == task for entry in entries)]
    rows: Rows = []
    for model in dict.fromkeys(entry.model for entry in entries):
        own = [entry for entry in entries if entry.model == model]
        cells: list[Value | Cell] = [_first(own, quantity) for quantity in _COSTS]
        cells += [_bracket(found.get((model, task, mode)))[0] for task in asked for mode in _MODES]
        rows.append([model, *cells, _outcome(own)])
    return table_of(f"What fits {name}", _fits_columns(entries, asked), rows, _fits_notes(entries, asked, budget))


_COSTS = ("parameters", "macs", *(f"{mode}_peak_reserved_bytes" for mode in _MODES))


def _fits_columns(entries: Sequence[Entry], asked: Sequence[str]) -> Columns:
    case = entries[0].case
    size, batch = f"{case.width}x{case.height}", max(entry.case.batch_size for entry in entries)
    columns: Columns = [
        "\nnetwork",
        Column("\nparameters", MILLIONS),
        Column("\nMACs", LARGE_COUNT),
        Column(f"memory\ntraining, batch {batch}", BYTES),
        Column("\ninference", BYTES, "memory inference"),
    ]
    for task in asked:
        what = f"batch at {size}" if task == "max_batch" else "input at batch 1"
        columns += [Column(f"{what}\ntraining"), Column("\ninference", name=f"{what} inference")]
    return [*columns, "\noutcome"]


def _fits_notes(entries: Sequence[Entry], asked: Sequence[str], budget: str) -> list[str]:
    searches = [entry for entry in entries if entry.case.task in asked]
    meaning = QUANTITIES["train_peak_reserved_bytes"].meaning.partition(" during")[0]
    notes = [*_notes(searches, {}, budget), f"MACs: of one image; memory: {meaning}, without the CUDA context"]
    found = (measured(entry, "macs") for entry in entries)
    untold = any(item is not None and item.value is None for item in found)
    return [*notes, *["MACs -: they depend on data; `segbench params` runs the network and counts them"] * untold]


def _first(entries: Sequence[Entry], quantity: str) -> Value:
    """The quantity's value in the first entry that has it."""
    return next((value for entry in entries if (value := value_of(entry, quantity)) is not None), None)


def _bracket(entry: Entry | None) -> list[Cell]:
    """What fits, what does not, and what limits it."""
    answer = measured(entry, entry.case.kind.headline) if entry else None
    other = measured(entry, entry.case.kind.bound) if entry else None
    if entry is None or answer is None:
        return [Cell(label=entry.outcome if entry else None), Cell(), Cell()]
    fits = f"{'≥ ' * _is_open(entry)}{_size(answer)}{'*' * _only_by_retries(answer)}"
    nothing = "nothing" if answer.outcome == "does_not_fit" else MISSING
    fitting = Cell(answer.value or None, label=fits if answer.value else nothing)
    return [fitting, Cell(other.value, label=_size(other)) if other else Cell(), Cell(_limit(answer))]


def _limit(answer: Measurement) -> str | None:
    return _LIMITS.get(answer.detail.get("limited_by", ""))


def _size(item: Measurement) -> str:
    if item.value is None:
        return MISSING
    if "width" in item.factors and item.quantity.endswith("pixels"):
        return f"{item.factors['width']}x{item.factors['height']}"
    return f"{item.value:g}"


def _only_by_retries(answer: Measurement) -> bool:
    used = answer.detail.get("used") or {}
    return bool(used.get("retries"))


def _is_open(entry: Entry) -> bool:
    """Whether everything up to the search's end fits, so that the largest is not known."""
    answer, other = (measured(entry, name) for name in (entry.case.kind.headline, entry.case.kind.bound))
    return bool(answer and answer.value and other and other.value is None and other.outcome == "ok")


def _outcome(entries: Sequence[Entry]) -> str:
    """`ok`, or why a network has no answer."""
    for entry in entries:
        answer = measured(entry, entry.case.kind.headline)
        if entry.outcome != "ok":
            return outcome(entry)
        if answer is not None and answer.outcome != "ok":
            return f"{_MODES[entry.case.modes[0]]}: {answer.cause}"
    return "ok"


def _notes(entries: Sequence[Entry], cards: Mapping[str, ModelCard], budget: str) -> list[str]:
    answers = [item for entry in entries if (item := measured(entry, entry.case.kind.headline))]
    context = next((item.detail["context_bytes"] for item in answers if "context_bytes" in item.detail), None)
    spent = sum(entry.seconds for entry in entries)
    notes = [provenance(entries), f"budget {budget}"]
    if context is not None:
        notes[-1] += f", of which the CUDA context takes {in_bytes(context)}"
    if any(_only_by_retries(item) for item in answers):
        notes.append(
            "* runs only because the allocator releases its cache and tries again: slow, and near it a smaller size "
            "may fail where a larger one fits"
        )
    if any(map(_is_open, entries)):
        notes.append("≥: the search ended there, and nothing larger was tried")
    proofs = dict.fromkeys(item.detail["proof"] for item in answers if "proof" in item.detail)
    notes += [f"every size shown was {proof}; it took {spent:.0f} s" for proof in proofs]
    return [*notes, *paper_conditions(list(entries), "max_batch", cards)]
