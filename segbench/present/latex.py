"""A table for a paper: LaTeX with booktabs, to be read in with `\\input`."""

from __future__ import annotations

from collections.abc import Sequence

from segbench.present.table import Table

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "✓": r"$\checkmark$",
    "≈": r"$\approx$",
    "✗": r"$\times$",
    "∅": r"$\varnothing$",
    "·": r"$\cdot$",
    "×": r"$\times$",
    "±": r"$\pm$",
    "µ": r"\textmu{}",
    "†": r"\textdagger{}",
    "²": r"\textsuperscript{2}",
    "\u202f": r"\,",
}
"""What LaTeX reads as a command, and signs that its usual fonts lack."""

PACKAGES = ("booktabs", "amssymb", "textcomp")


def to_latex(table: Table) -> str:
    """A floating table with its name as label: caption, three rules, the notes in small type."""
    alignment = "".join("l" if number == 0 or column.left else "r" for number, column in enumerate(table.columns))
    lines = [
        f"% Made by segbench; needs {', '.join(PACKAGES)}.",
        r"\begin{table}",
        r"  \centering",
        rf"  \caption{{{escaped(table.title)}}}",
        rf"  \label{{tab:{table.name}}}",
        rf"  \begin{{tabular}}{{{alignment}}}",
        r"    \toprule",
        f"    {_row(table.headings)}",
        r"    \midrule",
        *(f"    {_row(line)}" for line in table.lines()),
        r"    \bottomrule",
        r"  \end{tabular}",
        *(rf"  \par\footnotesize {escaped(note)}" for note in table.all_notes()),
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """The text as LaTeX prints it, line breaks as blanks."""
    return "".join(_SPECIAL.get(letter, letter) for letter in " ".join(text.split("\n")))


def _row(cells: Sequence[str]) -> str:
    return " & ".join(_cell(cell) for cell in cells) + r" \\"


def _cell(text: str) -> str:
    indent = len(text) - len(text.lstrip(" "))
    return (r"\quad " if indent else "") + escaped(text.strip())
