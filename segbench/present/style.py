"""One look for every figure: colours that colour-blind readers tell apart, a marker for each network, quiet axes."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import chain, cycle

INK, MUTED, GRID, PAPER, OURS = "#1b1f24", "#6b7280", "#e3e6ea", "#9aa1ab", "#0072b2"
"""Of text, secondary text, rules, whatever is the paper's, and what is ours and has no colour of its own."""

VERDICT_COLOURS = {
    "reproduced": "#009e73",
    "same direction": "#56b4e9",
    "contradicted": "#d55e00",
    "not comparable": "#8a8f98",
    "missing": "#c9cdd3",
}

MARKS = {
    "reproduced": "✓",
    "same direction": "≈",
    "contradicted": "✗",
    "not comparable": "∅",
    "missing": "·",
}
"""One sign a verdict, so that nothing relies on colour."""

ROLE_COLOURS = {
    "parameters": "#3b4252",
    "optimizer state": "#8a94a6",
    "gradients": "#cc79a7",
    "activations": "#0072b2",
    "temporaries": "#e69f00",
    "inputs": "#009e73",
    "workspaces": "#f0e442",
}
"""Of memory at a peak, in the order in which they are stacked; Okabe and Ito's colours and two greys."""


@dataclass(frozen=True)
class Identity:
    """How a network is drawn everywhere: colour and marker, so that no figure rests on colour alone."""

    colour: str
    marker: str


_KNOWN = {
    "unet": Identity("#cc79a7", "^"),
    "pspnet": Identity("#b8860b", "v"),
    "deeplabv3": Identity("#56b4e9", "D"),
    "hrnetv2": Identity("#4d5560", "s"),
    "baseline": Identity("#e69f00", "P"),
    "segnode-paper": Identity("#d55e00", "X"),
    "segnode": Identity("#0072b2", "o"),
    "segnode-low-memory": Identity("#009e73", "*"),
    "hrnetv2+checkpoint": Identity("#8a94a6", "s"),
}
"""Okabe and Ito (Color Universal Design, 2008), with a darker yellow, which must be seen on white."""

_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#b8860b", "#4d5560")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
_OTHERS = tuple(
    Identity(colour, _MARKERS[(place + turn) % len(_MARKERS)])
    for turn in range(len(_MARKERS))
    for place, colour in enumerate(_COLOURS)
)
"""Neighbours differ in both, so that curves that lie on each other are still seen."""


def identities(names: Iterable[str]) -> dict[str, Identity]:
    """The networks' looks; the catalogue's large ones have fixed ones, others take the next that is free.

    Where none is free any more, looks come again.
    """
    found: dict[str, Identity] = {}
    free = chain((look for look in _OTHERS if look not in found.values()), cycle(_OTHERS))
    for name in dict.fromkeys(names):
        found[name] = _KNOWN.get(name) or next(free)
    return found


def styled() -> AbstractContextManager[None]:
    """Within it matplotlib draws in this style; the same figure gives the same file, byte for byte."""
    import matplotlib as mpl

    return mpl.rc_context(
        {
            "font.size": 9.0,
            "axes.titlesize": 9.5,
            "axes.titleweight": "bold",
            "axes.titlelocation": "left",
            "axes.labelcolor": MUTED,
            "axes.edgecolor": GRID,
            "axes.linewidth": 0.8,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.axisbelow": True,
            "grid.color": GRID,
            "grid.linewidth": 0.7,
            "xtick.color": MUTED,
            "ytick.color": MUTED,
            "xtick.major.size": 0,
            "ytick.major.size": 0,
            "xtick.minor.size": 0,
            "text.color": INK,
            "legend.frameon": False,
            "figure.facecolor": "white",
            "savefig.dpi": 160,
            "svg.hashsalt": "segbench",
            "svg.fonttype": "none",
        }
    )
