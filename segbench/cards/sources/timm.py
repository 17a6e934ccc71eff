"""timm: a backbone, and one of segbench's heads over its features."""

from __future__ import annotations

from segbench.cards.sources.library import Library

TIMM = Library("timm", "timm", argument="backbone", example="timm:convnext_tiny?head=uper", defaults={"head": "fcn"})
