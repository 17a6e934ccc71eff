"""What tests of the estimator share."""

from __future__ import annotations

import pytest


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks of tests count as code that is known, as segbench's own."""
    monkeypatch.setattr("segbench.estimate.step.hides_nothing", lambda _: True)
