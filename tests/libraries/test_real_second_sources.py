"""Networks of libraries, traced here, against figures that other people published and to which nothing was fitted."""

from __future__ import annotations

import pytest

from benchmarks.second_sources import Comparison, figures, predicted, slopes_table

pytestmark = pytest.mark.libraries


@pytest.mark.parametrize(("published", "within"), [("6.80", 0.03), ("864", 0.01), ("9595", 0.03)])
def test_trainings_of_mmsegmentation_are_met(published: str, within: float) -> None:
    [item] = [item for item in figures() if item.published == published and item.network.startswith("mmseg:")]
    assert Comparison(item, predicted(item.case)).ratio("allocated") == pytest.approx(1, abs=within)


def test_one_more_image_takes_what_nvidia_smi_told_on_an_h100() -> None:
    """Context and what the driver keeps cancel: ConvNeXt of torchvision between 64 and 144 images."""
    items = [
        item
        for item in figures(["architecture=convnext_large"])
        if item.gpu == "H100" and item.precision == "fp32" and item.batch in ("64", "144")
    ]
    [row] = slopes_table([Comparison(item, predicted(item.case)) for item in items]).rows
    assert row[-1].value == pytest.approx(1, abs=0.02)
