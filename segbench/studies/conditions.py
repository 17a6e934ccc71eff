"""Conditions that rows of one table share (`Task.alike`), each as a phrase."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from segbench.records.ledger import Entry
from segbench.records.options import EpochOptions

CONDITIONS: Mapping[str, Callable[[Entry], str]] = {
    "device": lambda entry: entry.environment.device_name if entry.environment else "",
    "size": lambda entry: f"{entry.case.width}x{entry.case.height}",
    "precision": lambda entry: entry.case.precision,
    "threads": lambda entry: f"{entry.case.threads or 'usual'} threads",
    "switches": lambda entry: ", ".join(entry.case.switches),
    "images": lambda entry: f"{entry.case.dataset or 'random'} images",
    "inference batch": lambda entry: f"batch {entry.case.infer_batch}",
    "epoch": lambda entry: f"{entry.case.options_as(EpochOptions).images or 'its'} images an epoch",
    "split": lambda entry: f"{entry.case.dataset} {entry.case.split}",
    "classes": lambda entry: f"{entry.case.classes} classes",
}
"""Empty where there is nothing to say."""
