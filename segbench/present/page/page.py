"""Makes the page: the template, the style, the scripts and the data in one file that needs no network."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from segbench.present.amounts import as_published, by_unit
from segbench.present.page.adaptive_viewer import DepthView, depths_of
from segbench.present.page.pareto import Pareto
from segbench.present.page.trajectory_viewer import Trajectory, ViewerPicture
from segbench.present.report import Report
from segbench.present.style import MARKS, ROLE_COLOURS, identities
from segbench.present.table import Cell, Table, with_ratio
from segbench.present.timeline import MemoryLine
from segbench.records.case import Json
from segbench.records.rows import Row
from segbench.units import MIB

if TYPE_CHECKING:
    from markupsafe import Markup

_FOLDER = Path(__file__).resolve().parent
_SCRIPTS = ("dom", "charts", "tables", "ratios", "pareto", "timeline", "trajectory", "adaptive", "main")
"""In the order in which they need each other."""

MOST_ROWS = 3000
"""Of measurements in the page; a browser lays out more only slowly. The file `measurements.csv` has all."""


def page_html(report: Report) -> str:
    """The whole page."""
    from jinja2 import Environment, FileSystemLoader
    from markupsafe import Markup

    engine = Environment(loader=FileSystemLoader(_FOLDER), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    page = engine.get_template("page.html.jinja")
    return page.render(
        report=report,
        left_out=max(0, len(report.rows) - MOST_ROWS),
        modes=_modes(report.lines),
        roles=ROLE_COLOURS,
        marks=MARKS,
        slug=_slug,
        said=_said,
        hint=_hint,
        own_row=_own_row,
        has_ratios=_has_ratios,
        coded=_coded,
        style=Markup((_FOLDER / "style.css").read_text(encoding="utf-8")),
        script=Markup(_script()),
        data=Markup(_for_script(_data(report))),
    )


def _script() -> str:
    return "\n".join((_FOLDER / "script" / f"{name}.js").read_text(encoding="utf-8") for name in _SCRIPTS)


def _for_script(data: Json) -> str:
    """JSON that cannot end the element it stands in."""
    return json.dumps(data, separators=(",", ":"), allow_nan=False).replace("</", "<\\/").replace("<!--", "<\\u0021--")


def _data(report: Report) -> Json:
    names = [
        *(str(row[0].value) for table in report.judged for row in table.rows),
        *(spot.network for spot in report.pareto.spots),
        *(line.network for line in report.lines),
    ]
    looks = identities(names)
    return {
        "networks": {name: {"colour": look.colour, "marker": look.marker} for name, look in looks.items()},
        "roles": ROLE_COLOURS,
        "judged": [_judged(table) for table in report.judged],
        "pareto": _pareto(report.pareto),
        "timelines": [_timeline(line) for line in report.lines],
        "measurements": _measurements(report.rows[:MOST_ROWS]),
        "trajectories": [_trajectory(item) for item in report.trajectories],
        "depths": [_depths(item) for item in report.depths],
    }


def _judged(table: Table) -> Json:
    """What the chart of ratios draws."""
    columns = table.columns[1:]

    def cell(row: Sequence[Cell], place: int) -> Json:
        item = row[place]
        return {
            "ratio": item.ratio,
            "paperRatio": item.paper.ratio if item.paper else None,
            "verdict": item.verdict or None,
            "mark": item.mark,
            "tip": _hint(table, row, place),
        }

    return {
        "columns": [{"key": column.key, "title": _plain(column.heading)} for column in columns],
        "rows": [{"key": row[0].value, "label": row[0].text, "own": _own_row(row)} for row in table.rows],
        "cells": {
            str(row[0].value): {column.key: cell(row, place) for place, column in enumerate(columns, start=1)}
            for row in table.rows
        },
    }


def _pareto(pareto: Pareto) -> Json:
    return {
        "axes": [
            {"key": axis.key, "label": axis.label, "unit": axis.unit, "better": axis.better} for axis in pareto.axes
        ],
        "spots": [
            {
                "network": spot.network,
                "label": spot.network,
                "values": {
                    key: {"v": item.value, "t": item.text, "low": item.low, "high": item.high}
                    for key, item in spot.values.items()
                },
            }
            for spot in pareto.spots
        ],
    }


def _timeline(line: MemoryLine) -> Json:
    """In tenths of a MiB, finer than a dot; what never changes is one number."""
    unit = MIB // 10
    roles = {role: [round(size / unit) for size in sizes] for role, sizes in line.roles.items()}
    return {
        "network": line.network,
        "mode": line.mode,
        "batch": line.batch,
        "moments": line.moments,
        "unit": unit,
        "roles": {role: sizes if len(set(sizes)) > 1 else sizes[0] for role, sizes in roles.items()},
        "phases": line.phases,
    }


def _trajectory(item: Trajectory) -> Json:
    points = []
    for point in item.points:
        low, high = point.interval("miou") or (None, None)
        values = {
            name: point.value(quantity)
            for name, quantity in {
                "nfe": "nfe_forward", "macs": "macs", "latency": "latency_s", "miou": "miou",
            }.items()
        }  # fmt: skip
        points.append({"t": point.t_end, "low": low, "high": high, **values})
    colours = [[name, f"rgb{colour}"] for name, colour in item.classes]
    return {"points": points, "pictures": [_picture(each) for each in item.pictures], "classes": colours}


def _picture(item: ViewerPicture) -> Json:
    frames = [{"labels": _uri(frame.labels), "miou": frame.miou} if frame else None for frame in item.frames]
    return {"name": item.name, "photo": _uri(item.photo), "truth": _uri(item.truth), "frames": frames}


def _depths(view: DepthView) -> Json:
    ways = [
        {
            "name": way.name,
            "miou": way.miou,
            "macs": way.macs,
            "seconds": way.seconds(),
            "images": [{layer: _uri(png) for layer, png in depths_of(way)[name].items()} for name in view.photos],
        }
        for way in view.ways
    ]
    pictures = [{"name": name, "photo": _uri(photo)} for name, photo in view.photos.items()]
    return {"ways": ways, "pictures": pictures, "legend": dict(view.legend)}


def _uri(png: str) -> str:
    return f"data:image/png;base64,{png}"


def _measurements(rows: Sequence[Row]) -> Json:
    """Rows as the script lists them, every text once: a row holds places in `words`, and its value."""
    words: dict[str, int] = {}

    def place(text: str) -> int:
        return words.setdefault(text, len(words))

    lines = [[_short(row["value"]), *map(place, _texts(row))] for row in rows]
    return {"words": list(words), "rows": lines}


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.10g}")


def _texts(row: Row) -> list[str]:
    """Model, quantity, unit, value as read, method, conditions, outcome, what else is known, and the run."""
    unit, spread = row["unit"], (row["spread_low"], row["spread_high"])
    paper = row["reference_value"]
    more = [
        "" if None in spread else f"95 % interval {by_unit(spread[0], unit)} to {by_unit(spread[1], unit)}",
        f"{row['samples']} samples" if row["samples"] and row["samples"] > 1 else "",
        "" if paper is None else f"paper: {as_published(paper, row['reference_unit'])}",
    ]
    fine = row["outcome"] == "ok" and not row["cause"]
    outcome = row["outcome"] if fine else f"{row['outcome']}: {row['cause']}"
    shown = by_unit(row["value"], unit)
    known = "\n".join(filter(None, more))
    return [row["model"], row["quantity"], unit, shown, row["method"], _conditions(row), outcome, known, row["run"]]


def _conditions(row: Row) -> str:
    parts = [
        row["device_name"] if row["device"] != "none" else "no device",
        f"{row['width']}x{row['height']}",
        f"batch {row['batch_size']}" if row["mode"] == "train" else "",
        row["precision"],
        f"{row['dataset']} {row['split'] or ''}".strip() if row["dataset"] else "",
        f"t_end {row['t_end']}" if row["t_end"] is not None else "",
        f"{row['steps']} steps" if row["steps"] is not None else "",
        str(row["gradient"] or ""),
        str(row["policy"] or ""),
    ]
    return ", ".join(part for part in parts if part)


def _hint(table: Table, row: Sequence[Cell], place: int) -> str:
    """What pointing at a cell tells: names, both numbers, the verdict's ground, and how ours was found."""
    cell = row[place]
    ground = f"{cell.verdict}: {cell.judgement.why}" if cell.judgement else ""
    if not table.beside_paper:
        return ground
    head = f"{row[0].text}: {_plain(table.columns[place].heading)}"
    paper = cell.paper or Cell()
    told = [head, f"ours {_number(cell)}; paper {_number(paper)}", ground, cell.conditions]
    return "\n".join(filter(None, told))


def _number(cell: Cell) -> str:
    return with_ratio(cell).replace(" (", " (ratio ") if cell.ratio is not None else cell.text


def _own_row(row: Sequence[Cell]) -> bool:
    """Whether a row stands beside the paper without being in it."""
    return not any(cell.judgement for cell in row)


def _coded(sentence: str) -> Markup:
    """What stands in backticks is set as code."""
    from markupsafe import Markup, escape

    parts = str(escape(sentence)).split("`")
    return Markup("".join(f"<code>{part}</code>" if place % 2 else part for place, part in enumerate(parts)))


def _has_ratios(table: Table) -> bool:
    return any(cell.ratio is not None for row in table.rows for cell in row)


def _said(table: Table) -> str:
    return ", ".join(f"{count} {verdict}" for verdict, count in table.tally().items() if count)


def _modes(lines: Sequence[MemoryLine]) -> dict[str, str]:
    names = {"train": "training", "infer": "inference"}
    return {mode: names[mode] for mode in dict.fromkeys(line.mode for line in lines)}


def _slug(verdict: str) -> str:
    return verdict.replace(" ", "-")


def _plain(heading: str) -> str:
    return ", ".join(part for part in heading.split("\n") if part)
