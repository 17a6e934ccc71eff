"""Which protocol a case means."""

from __future__ import annotations

from dataclasses import replace

import pytest

from segbench.errors import UnknownName, UserError
from segbench.evaluation.protocol import protocol_of
from segbench.records.case import Case

CASE = Case("evaluate", "segnode", dataset="camvid", width=240, height=180)


def test_images_are_shown_at_the_cases_size():
    found = protocol_of(CASE)
    assert (found.name, found.width, found.height, found.flip, found.scales) == ("single", 240, 180, False, (1.0,))


def test_images_of_many_sizes_keep_their_aspect():
    found = protocol_of(replace(CASE, dataset="pascal-context", width=520, height=520))
    assert found.input_size(500, 375) == (693, 520)


def test_cityscapes_is_validated_whole_where_it_is_trained_on_the_usual_crop():
    case = replace(CASE, dataset="cityscapes", width=1024, height=512)
    assert protocol_of(case.for_task("train", modes=())).input_size(2048, 1024) == (2048, 1024)
    assert protocol_of(case).input_size(2048, 1024) == (1024, 512), "an evaluation shows what it was asked for"
    assert protocol_of(replace(case, width=512, height=256)).input_size(2048, 1024) == (512, 256)


def test_a_protocol_with_a_size_of_its_own_keeps_it():
    assert protocol_of(CASE.with_options(protocol="lip")).width == 473


def test_options_change_a_protocol_and_its_name():
    found = protocol_of(CASE.with_options(protocol="flip", scales="0.5,1", window="64x48", flip=False))
    assert (found.scales, found.window, found.flip) == ((0.5, 1.0), (64, 48), False)
    assert found.name == "flip, changed"


def test_what_cannot_be_read_is_refused():
    with pytest.raises(UserError, match=r"0\.5,1,1\.5"):
        protocol_of(CASE.with_options(scales="half"))
    with pytest.raises(UnknownName):
        protocol_of(CASE.with_options(protocol="best"))


@pytest.mark.parametrize("scales", ["nan", "1,inf", "0", "-1", "1e400", "1,101"])
def test_scales_that_no_image_can_be_shown_at_are_refused(scales: str) -> None:
    with pytest.raises(UserError, match="above 0 and at most 100"):
        protocol_of(CASE.with_options(scales=scales))
