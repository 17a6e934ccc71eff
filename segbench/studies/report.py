"""Makes a report of a ledger: whatever its entries can answer, beside the paper where the paper has it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from segbench.cards.model import find_model
from segbench.cards.naming import told_apart
from segbench.present.agreement import agreement_tables
from segbench.present.figures import Figure
from segbench.present.figures_adaptive import adaptive_figure
from segbench.present.figures_memory import breakdown_figure
from segbench.present.figures_pareto import pareto_figure
from segbench.present.figures_ratios import ratios_figure
from segbench.present.figures_savings import Ratios, savings_figure
from segbench.present.figures_training import learning_figure
from segbench.present.figures_trajectory import error_figure, strip_figure
from segbench.present.page.adaptive_viewer import depth_views
from segbench.present.page.pareto import Pareto
from segbench.present.page.trajectory_viewer import Trajectory, trajectories
from segbench.present.report import Report, ReportReason
from segbench.present.timeline import memory_lines, timeline_figure
from segbench.records.ledger import Entry
from segbench.records.reference_model import REFERENCE_MODEL
from segbench.records.rows import tidy_rows
from segbench.studies.catalogue import Findings, cards_of, findings
from segbench.studies.command_tables import command_tables
from segbench.studies.points import networks_table, pareto_of
from segbench.studies.published import published_reference, raw_value
from segbench.studies.reasons import TABLE1_REASONS, TABLE2_REASONS
from segbench.studies.reasons import KnownReason as Known
from segbench.studies.table1 import TABLE1_DATASETS
from segbench.studies.table2 import TABLE2_COLUMNS

_ABOUT = {
    column.name: column.title.partition("\n")[0] or column.title.strip() for column in TABLE2_COLUMNS
} | TABLE1_DATASETS


def report_of(entries: Sequence[Entry], title: str) -> Report:
    """Everything the newest entries tell; a table beside the paper only where it has a number of ours.

    Args:
        entries: of one ledger or several, oldest first.
    """
    entries = told_apart(newest(entries))
    found = _with_ours(findings(("table2", "claims", "table1", "fig4"), entries))
    along, pareto = trajectories(entries), pareto_of(entries)
    networks = networks_table(pareto)
    cards = cards_of(entries)
    return Report(
        title=title,
        lead=_lead(entries),
        judged=found.judged,
        tables=[
            *agreement_tables(entries),
            *([networks] if networks else []),
            *found.tables,
            *command_tables(entries, cards),
        ],
        figures=_figures(entries, found, pareto, along),
        reasons=_reasons(found),
        pareto=pareto,
        lines=[*memory_lines(entries, "train"), *memory_lines(entries, "infer")],
        trajectories=along,
        depths=depth_views(entries),
        rows=tidy_rows(entries, cards),
        facts=_facts(entries),
    )


def newest(entries: Sequence[Entry]) -> list[Entry]:
    """Of every case the last entry that answered, else the last; in the order first asked."""
    last: dict[str, Entry] = {}
    for entry in entries:
        if entry.answered or not (entry.key in last and last[entry.key].answered):
            last[entry.key] = entry
    return list(last.values())


def _with_ours(found: Findings) -> Findings:
    """Table 2 and the claims need two quantities of ours: one alone is better read in the table of networks."""
    fewest = {"table2": 2, "claims": 2}
    known = {
        table.name: {cell.quantity for cell in table.cells.values() if cell.value is not None} for table in found.judged
    }
    judged = tuple(table for table in found.judged if len(known[table.name]) >= fewest.get(table.name, 1))
    names = {table.name for table in judged}
    return Findings(judged, found.tables if "table2" in names else ())


def _figures(entries: Sequence[Entry], found: Findings, pareto: Pareto, along: Sequence[Trajectory]) -> list[Figure]:
    table2 = next((table for table in found.judged if table.name == "table2"), None)
    made = [
        ratios_figure(table2) if table2 else None,
        breakdown_figure(entries, "train"),
        timeline_figure(entries, "train"),
        pareto_figure(pareto),
        savings_figure(entries, published_savings()),
        learning_figure(entries),
        error_figure(along),
        next(filter(None, map(strip_figure, along)), None),
        adaptive_figure(entries),
    ]
    return [figure for figure in made if figure is not None]


def published_savings() -> dict[str, Ratios]:
    """Training memory and epoch time of the paper's two networks (Table 2), to its HRNetV2."""

    def numbers(model: str) -> tuple[float, float]:
        card = find_model(model).card
        found = [published_reference(card, name) for name in ("epoch_s", "train_peak_reserved_bytes")]
        time, memory = (raw_value(reference) for reference in found if reference is not None)
        return time, memory

    time, memory = numbers(REFERENCE_MODEL)
    named = {"HRNetV2, paper": REFERENCE_MODEL, "SegNode, paper": "segnode-paper"}
    return {name: Ratios(a / time, b / memory) for name, model in named.items() for a, b in [numbers(model)]}


def _reasons(found: Findings) -> list[ReportReason]:
    names = {table.name for table in found.judged}
    known: list[Known] = [
        *(TABLE2_REASONS if "table2" in names else ()),
        *(TABLE1_REASONS if "table1" in names else ()),
    ]
    return [ReportReason(_about(item), item.sentence, item.source) for item in known]


def _about(reason: Known) -> str:
    named = ", ".join(_ABOUT[column] for column in reason.columns)
    return named[0].upper() + named[1:]


def _lead(entries: Sequence[Entry]) -> list[str]:
    networks, runs = _named(entry.model for entry in entries), {entry.run for entry in entries}
    days = sorted({entry.finished[:10] for entry in entries if entry.finished})
    when = "" if not days else f", {days[0]}" if len(days) == 1 else f", {days[0]} to {days[-1]}"
    count = sum(len(entry.measurements) for entry in entries)
    return [
        f"{_many(len(networks), 'network')}, {_many(count, 'measurement')} of {_many(len(entries), 'case')} in "
        f"{_many(len(runs), 'run')}{when}; "
        f"{_origin(entries)}."
    ]


def _many(count: int, name: str) -> str:
    return f"{count} {name}" if count == 1 else f"{count} {name}s"


def _origin(entries: Sequence[Entry]) -> str:
    methods = {item.method.partition(":")[0] for entry in entries for item in entry.measurements}
    devices = _named(
        entry.environment.device_name
        for entry in entries
        if entry.environment and any(item.method.startswith("measured") for item in entry.measurements)
    )
    unmeasured = " and ".join(name for name in ("predicted", "counted") if name in methods)
    measured = f"measured on {' and '.join(devices)}" if devices else "nothing was run on a device"
    return "; ".join(filter(None, (unmeasured, measured)))


def _facts(entries: Sequence[Entry]) -> list[tuple[str, str]]:
    """What the numbers depend on, every value that occurs."""
    environments = [entry.environment for entry in entries if entry.environment]
    facts = {
        "devices": _named(item.device_name for item in environments if item.device != "none"),
        "torch": _named(item.torch for item in environments),
        "CUDA": _named(item.cuda or "" for item in environments),
        "cuDNN": _named(item.cudnn or "" for item in environments),
        "driver": _named(item.driver or "" for item in environments),
        "Python": _named(item.python for item in environments),
        "system": _named(item.platform for item in environments),
        "threads": _named(str(item.threads) for item in environments if item.device == "cpu"),
        "segbench": _named(item.segbench for item in environments),
        "commit": _named(item.commit or "" for item in environments),
        "precision": _named(entry.case.precision for entry in entries),
        "runs": _named(entry.run for entry in entries),
        "warnings": _named(note for item in environments for note in item.notes),
    }
    return [(name, "; ".join(values)) for name, values in facts.items() if values]


def _named(values: Iterable[str]) -> list[str]:
    """Without repetition and without the empty."""
    return [value for value in dict.fromkeys(values) if value]
