"""Lists the networks that a library has, which only it can say."""

from __future__ import annotations

import importlib

from segbench.records.case import Case
from segbench.records.measurement import Measurement
from segbench.records.options import LibraryOptions
from segbench.tasks.protocol import Reporter


def run(case: Case, report: Reporter) -> None:
    """Reports how many there are, with the names, and those of its arguments' values, as detail.

    Raises:
        CardError: the library is not installed.
    """
    asked = case.options_as(LibraryOptions)
    names = importlib.import_module(f"segbench.libraries.{asked.library}").names()
    report.measured(Measurement("networks", len(names["network"]), "counted", detail=names))
