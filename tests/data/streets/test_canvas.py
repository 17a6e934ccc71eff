from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from segbench.cards.datasets import dataset_card
from segbench.data.streets.canvas import CLASS_IDS, FINE
from segbench.data.streets.light import Light
from segbench.data.streets.site import Site

MakeSite = Callable[..., Site]

SKY, ROAD, CAR = (CLASS_IDS[name] for name in ("sky", "road", "car"))


def _box(left: int, top: int, right: int, bottom: int) -> list[tuple[float, float]]:
    """Corners of a rectangle, given in pixels of the finished picture."""
    edges = (left * FINE, top * FINE, right * FINE - 1, bottom * FINE - 1)
    return [(edges[0], edges[1]), (edges[2], edges[1]), (edges[2], edges[3]), (edges[0], edges[3])]


def _whole(site: Site, name: str, colour: tuple[float, float, float], distance: float = 10.0) -> int:
    surface = site.canvas.surface(name, colour, distance, "smooth", 0.0)
    site.canvas.polygon(_box(0, 0, site.canvas.width // FINE, site.canvas.height // FINE), surface)
    return surface


def test_the_classes_are_those_of_the_data_set_and_void() -> None:
    assert [CLASS_IDS[name] for name in dataset_card("synthetic").class_names] == list(range(11))
    assert CLASS_IDS["void"] == 255


def test_a_rectangle_has_exactly_its_pixels(make_site: MakeSite) -> None:
    site = make_site()
    _whole(site, "road", (100, 100, 100))
    site.canvas.polygon(_box(10, 20, 30, 25), site.canvas.surface("car", (200, 0, 0), 10.0, "smooth", 0.0))
    _, label = site.canvas.develop(site.camera)
    wanted = np.full((72, 96), ROAD, np.uint8)
    wanted[20:25, 10:30] = CAR
    assert np.array_equal(label, wanted)


def test_what_is_drawn_later_lies_in_front(make_site: MakeSite) -> None:
    site = make_site()
    _whole(site, "road", (100, 100, 100))
    _whole(site, "sky", (100, 100, 100))
    assert (site.canvas.develop(site.camera)[1] == SKY).all()


def test_picture_and_label_show_the_same_shape(make_site: MakeSite) -> None:
    site = make_site()
    _whole(site, "sky", (40, 40, 40))
    site.canvas.ellipse((96.0, 72.0), 80, 60, site.canvas.surface("car", (220, 220, 220), 10.0, "smooth", 0.0))
    image, label = site.canvas.develop(site.camera)
    bright = image.mean(2) > 130
    assert np.mean(bright == (label == CAR)) > 0.98, "they may differ along the smoothed edge only"
    # Half the axes of the ellipse in pixels of the finished picture: 20 and 15.
    assert (label == CAR).sum() == pytest.approx(np.pi * 20 * 15, rel=0.03)


def test_colours_come_out_as_they_were_put_in_under_white_light(make_site: MakeSite) -> None:
    site = make_site()
    _whole(site, "sky", (120, 60, 30))
    image, _ = site.canvas.develop(site.camera)
    centre = image[31:41, 43:53].reshape(-1, 3).mean(0)
    assert centre == pytest.approx([120, 60, 30], abs=2)


def test_the_lens_darkens_the_corners(make_site: MakeSite) -> None:
    site = make_site()
    _whole(site, "sky", (200, 200, 200))
    image, _ = site.canvas.develop(site.camera)
    assert image[:6, :6].mean() == pytest.approx(200 * (1 - 0.12 * 2), rel=0.04)


@pytest.mark.parametrize(("distance", "share"), [(0.001, 1.0), (100.0, np.exp(-1)), (1e6, 0.0)])
def test_haze_mixes_the_skylines_colour_in(make_site: MakeSite, distance: float, share: float) -> None:
    hazy = Light((0, 0, 0), (200, 200, 200), 0.0, (1, 1, 1), 0.0, 0.5, 100.0, False, 1.0)
    site = make_site(light=hazy)
    _whole(site, "sky", (50, 50, 50), distance)
    image, _ = site.canvas.develop(site.camera)
    assert image[31:41, 43:53].mean() == pytest.approx(50 * share + 200 * (1 - share), abs=2)


def test_the_sun_tints_things_but_not_what_shines_itself(make_site: MakeSite) -> None:
    red = replace(make_site().light, sun=(1.0, 0.5, 0.5))
    for distance, green in ((10.0, 50), (0.0, 100)):
        site = make_site(light=red)
        _whole(site, "sky", (100, 100, 100), distance)
        image, _ = site.canvas.develop(site.camera)
        assert image[31:41, 43:53, 1].mean() == pytest.approx(green, abs=2)


def test_shadows_darken_the_ground_and_nothing_else(make_site: MakeSite) -> None:
    for texture, brightness in (("asphalt", 100), ("smooth", 200)):
        site = make_site()
        surface = site.canvas.surface("road", (200, 200, 200), 10.0, texture, 0.0)
        site.canvas.polygon(_box(0, 0, 96, 72), surface)
        site.canvas.shadow(_box(0, 0, 96, 72))
        image, _ = site.canvas.develop(site.camera)
        assert image[31:41, 43:53].mean() == pytest.approx(brightness, abs=3)


def test_a_surface_is_numbered_once(make_site: MakeSite) -> None:
    canvas = make_site().canvas
    first = canvas.surface("car", (1, 2, 3), 5.0)
    assert canvas.surface("car", (1, 2, 3), 5.0) == first
    assert canvas.surface("car", (1, 2, 3), 6.0) != first


def test_through_a_fence_one_sees_what_is_behind_but_it_counts_as_fence(make_site: MakeSite) -> None:
    site = make_site()
    _whole(site, "sky", (120, 60, 30))
    gap = site.canvas.seen_through("fence", (5.0, 5.0), 10.0)
    site.canvas.polygon(_box(0, 0, 96, 72), gap)
    image, label = site.canvas.develop(site.camera)
    assert (label == CLASS_IDS["fence"]).all()
    assert image[31:41, 43:53].reshape(-1, 3).mean(0) == pytest.approx([120, 60, 30], abs=2)


def test_the_same_random_numbers_develop_the_same_picture(make_site: MakeSite) -> None:
    pictures = []
    for seed in (4, 4, 5):
        site = make_site(seed)
        _whole(site, "road", (90, 90, 90))
        pictures.append(site.canvas.develop(site.camera)[0])
    assert np.array_equal(pictures[0], pictures[1])
    assert not np.array_equal(pictures[0], pictures[2])
