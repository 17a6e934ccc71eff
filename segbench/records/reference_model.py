"""The network that every ratio is taken to."""

from __future__ import annotations

REFERENCE_MODEL = "hrnetv2"
"""As in the paper's text and its Table 2: costs are judged by their ratio to HRNetV2's."""
