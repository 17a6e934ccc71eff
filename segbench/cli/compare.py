"""`segbench compare`: whether B differs from A, like with like."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Annotated

import typer
from rich.console import Console

from segbench.cards.model import find_model
from segbench.cli.flags import flags
from segbench.cli.groups import LedgerFolder, OutputFlags
from segbench.cli.selection import select
from segbench.cli.session import exports_of
from segbench.cli.show import EXIT_GATE, require_format, show
from segbench.errors import UserError
from segbench.present.comparison import COMPARISON_COLUMNS, Line, comparison_tables
from segbench.present.export import as_csv, as_json, write_texts
from segbench.present.markdown import to_markdown
from segbench.records.ledger import DEFAULT_LEDGER, Entry
from segbench.records.quantities import quantity as known_quantity
from segbench.records.rows import tidy_rows
from segbench.statistics.comparison import Contrast
from segbench.statistics.gates import Gate, parse_comparison_gate
from segbench.statistics.pairing import EntryPair, pair_up

_SIDE = "A ledger, or in --ledger a network, a run (last, last-1) or conditions, as in segnode,precision=bf16."
_A = Annotated[str, typer.Argument(help=_SIDE, show_default=False)]
_B = Annotated[str, typer.Argument(help="The same; _B is what is new.", show_default=False)]
_By = Annotated[
    list[str] | None,
    typer.Option("--by", help="A condition meant to differ; repeatable. \\[default: the only one that does, or model]"),
]
_OnlyQuantities = Annotated[list[str] | None, typer.Option("-q", "--quantity", help="Only this quantity; repeatable.")]
_AllowUnlike = Annotated[bool, typer.Option("--allow-unlike", help="Show what differs otherwise too, marked.")]
_RelativeFailIf = Annotated[
    list[str] | None,
    typer.Option("--fail-if", help='Exit with 3 if B is shown to be so, as in "latency_s > +5%"; repeatable.'),
]


@flags(without=("fail_if",))
def compare(
    a: _A,
    b: _B,
    output: OutputFlags,
    by: _By = None,
    quantity: _OnlyQuantities = None,
    allow_unlike: _AllowUnlike = False,
    ledger: LedgerFolder = DEFAULT_LEDGER,
    fail_if: _RelativeFailIf = None,
) -> None:
    """Whether B differs from A: ratio, 95 % interval, and one plain sentence for every quantity.

    Networks measured in one command were interleaved and compare most sharply. Rows that differ in more than the
    factor compared are refused.
    """
    gates = [parse_comparison_gate(text) for text in fail_if or ()]
    wanted = [known_quantity(name).name for name in quantity or ()]
    require_format(output.format)
    pairs = pair_up(select(a, ledger), select(b, ledger), by or (), _optimizer)
    kept = _fair(pairs, allow_unlike, Console(stderr=True))
    contrasts = [(pair, item) for pair in kept for item in pair.contrasts(wanted)]
    if not contrasts:
        raise UserError(f"{a} and {b} have no quantity in common that may be compared")
    lines = [_line(pair, item) for pair, item in contrasts]
    tables, rows = comparison_tables(lines), [vars(line) for line in lines]
    texts: dict[str, Callable[[], str]] = {
        "csv": lambda: as_csv(rows, COMPARISON_COLUMNS),
        "json": lambda: as_json(rows, COMPARISON_COLUMNS),
        "markdown": lambda: "\n".join(map(to_markdown, tables)),
    }
    if output.format == "table":
        show(tables, [], "table")
    else:
        sys.stdout.write(texts[output.format]())
    write_texts(exports_of(output), texts)
    _judge(gates, kept, [item for _, item in contrasts])


def _fair(pairs: Sequence[EntryPair], allow_unlike: bool, console: Console) -> list[EntryPair]:
    """The pairs that may be shown; why the others may not is said on stderr.

    Raises:
        UserError: none may.
    """
    if not pairs:
        raise UserError("no cell of _A asks what a cell of _B asks (same command, same mode)")
    refusals = [f"{pair.a.model} and {pair.b.model} differ in {'; '.join(map(str, pair.refused))}" for pair in pairs]
    kept = [pair for pair in pairs if allow_unlike or not pair.refused]
    if not kept:
        advice = "measure them alike, name what is meant to differ with --by, or give --allow-unlike"
        raise UserError(f"not comparable: {refusals[0]}; {advice}")
    for pair, sentence in zip(pairs, refusals, strict=True):
        if pair.refused:
            console.print(f"[yellow]{'unlike' if allow_unlike else 'refused'}:[/yellow] {sentence}", soft_wrap=True)
    return kept


def _line(pair: EntryPair, item: Contrast) -> Line:
    return Line(
        quantity=item.a.quantity,
        unit=known_quantity(item.a.quantity).unit,
        mode="+".join(pair.a.case.modes),
        a=item.a.name,
        b=item.b.name,
        a_value=item.a.value,
        b_value=item.b.value,
        ratio=item.ratio,
        ratio_low=item.low,
        ratio_high=item.high,
        verdict=item.verdict,
        compared=", ".join(pair.compared),
        unlike="; ".join(map(str, pair.unlike)),
        a_run=pair.a.run,
        b_run=pair.b.run,
        sentence=item.sentence,
    )


def _judge(gates: Sequence[Gate], pairs: Sequence[EntryPair], contrasts: Sequence[Contrast]) -> None:
    """Ends with 3 if a gate is broken: by a change that is shown, or by a value of B."""
    broken = []
    for gate in gates:
        if gate.relative:
            broken += _broken_by_change(gate, contrasts)
        else:
            broken += gate.violations(tidy_rows(pair.b for pair in pairs))
    console = Console(stderr=True)
    for sentence in broken:
        console.print(f"[red]fail-if:[/red] {sentence}", highlight=False, soft_wrap=True)
    if broken:
        raise typer.Exit(EXIT_GATE)


def _broken_by_change(gate: Gate, contrasts: Sequence[Contrast]) -> list[str]:
    judged = [item for item in contrasts if item.a.quantity == gate.quantity]
    if not judged:
        return [f"{gate.text}: nothing compared has {gate.quantity}, so it cannot be judged"]
    broken = [item for item in judged if item.shown and item.ratio is not None and gate.holds(item.ratio)]
    return [f"{gate.text}: {item.sentence}" for item in broken]


def _optimizer(entry: Entry) -> str | None:
    """The optimizer of the network's card; None for a network that is not in the catalogue."""
    try:
        return find_model(entry.case.model).card.recipe.optimizer
    except UserError:
        return None
