"""What stands on a street: each thing is drawn as its own classes, where it stands, the same for the same seed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from segbench.data.streets.buildings import draw_building
from segbench.data.streets.canvas import CLASS_IDS
from segbench.data.streets.furniture import draw_bin, draw_fence, draw_lamp, draw_sign, draw_traffic_light
from segbench.data.streets.ground import draw_ground, draw_sky
from segbench.data.streets.people import draw_cyclist, draw_pedestrian
from segbench.data.streets.plants import draw_hedge, draw_tree
from segbench.data.streets.site import Site
from segbench.data.streets.street import draw_street
from segbench.data.streets.traffic import draw_crossing_vehicle, draw_vehicle

MakeSite = Callable[..., Site]

THINGS: dict[str, tuple[Callable[[Site], None], set[str]]] = {
    "building": (partial(draw_building, side=1, near=8.0, far=20.0, set_back=0.0), {"building"}),
    "tree": (partial(draw_tree, x=3.0, z=12.0), {"tree"}),
    "hedge": (partial(draw_hedge, side=1, near=8.0, far=20.0), {"tree"}),
    "fence": (partial(draw_fence, side=1, near=8.0, far=20.0), {"fence"}),
    "lamp": (partial(draw_lamp, side=1, z=10.0), {"pole"}),
    "sign": (partial(draw_sign, side=1, z=12.0), {"pole", "sign"}),
    "traffic light": (partial(draw_traffic_light, side=1, z=12.0), {"pole", "sign"}),
    "bin": (partial(draw_bin, side=1, z=12.0), {"void"}),
    "vehicle": (partial(draw_vehicle, x=2.0, z=8.0, towards=True), {"car"}),
    "crossing vehicle": (partial(draw_crossing_vehicle, z=10.0), {"car"}),
    "pedestrian": (partial(draw_pedestrian, x=2.0, z=6.0), {"pedestrian"}),
    "cyclist": (partial(draw_cyclist, x=2.0, z=6.0), {"bicyclist"}),
}


def _scene(site: Site, draw: Callable[[Site], None]) -> tuple[np.ndarray, np.ndarray]:
    """The thing before an empty sky."""
    canvas = site.canvas
    surface = canvas.surface("sky", (128, 128, 128), 0.0, "smooth", 0.0)
    canvas.polygon([(0, 0), (canvas.width, 0), (canvas.width, canvas.height), (0, canvas.height)], surface)
    draw(site)
    return canvas.develop(site.camera)


def _classes(label: np.ndarray) -> set[str]:
    names = {number: name for name, number in CLASS_IDS.items()}
    return {names[number] for number in np.unique(label)} - {"sky"}


@pytest.mark.parametrize("name", THINGS)
def test_a_thing_is_labelled_as_what_it_is(make_site: MakeSite, name: str) -> None:
    draw, classes = THINGS[name]
    seen = [_classes(_scene(make_site(seed), draw)[1]) for seed in range(6)]
    assert set().union(*seen) == classes


@pytest.mark.parametrize("name", THINGS)
def test_a_thing_is_the_same_for_the_same_seed(make_site: MakeSite, name: str) -> None:
    draw, _ = THINGS[name]
    (first, label), (again, same) = (_scene(make_site(3), draw) for _ in range(2))
    assert np.array_equal(first, again)
    assert np.array_equal(label, same)


def _extent(label: np.ndarray) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of what is not sky."""
    rows, columns = np.nonzero(label != CLASS_IDS["sky"])
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


def test_a_pedestrian_stands_on_the_ground_and_is_as_tall_as_a_person(make_site: MakeSite) -> None:
    site = make_site()
    _, top, _, bottom = _extent(_scene(site, partial(draw_pedestrian, x=0.0, z=6.0))[1])
    ground = site.camera.point(0.0, 0.0, 6.0)[1] / 2
    metre = site.camera.scale(6.0) / 2
    assert bottom == pytest.approx(ground, abs=1.5)
    assert 0.9 < (bottom - top) / metre < 2.1


def test_things_further_away_are_smaller(make_site: MakeSite) -> None:
    near, far = (_scene(make_site(), partial(draw_vehicle, x=0.0, z=z, towards=False))[1] for z in (8.0, 16.0))
    left, _, right, _ = _extent(near)
    closer, _, further, _ = _extent(far)
    assert (further - closer) == pytest.approx((right - left) / 2, abs=2)


@pytest.mark.parametrize("side", [-1, 1])
def test_a_house_stands_on_its_side_of_the_street(make_site: MakeSite, side: int) -> None:
    _, label = _scene(make_site(), partial(draw_building, side=side, near=8.0, far=20.0, set_back=0.0))
    left, _, right, _ = _extent(label)
    assert right <= 48 if side < 0 else left >= 48


def test_the_sky_ends_at_the_horizon_and_the_road_lies_in_the_middle(make_site: MakeSite) -> None:
    site = make_site()
    draw_sky(site)
    draw_ground(site)
    _, label = site.canvas.develop(site.camera)
    horizon = int(site.camera.horizon / 2)
    assert (label[: horizon - 1] == CLASS_IDS["sky"]).all()
    assert not (label[horizon + 2 :] == CLASS_IDS["sky"]).any()
    assert (label[-10:, 38:58] == CLASS_IDS["road"]).all()


def test_pavements_join_the_road_at_the_kerbs(make_site: MakeSite) -> None:
    site = make_site()
    draw_sky(site)
    draw_ground(site)
    _, label = site.canvas.develop(site.camera)
    row = 50
    ahead = site.camera.focal * site.camera.height / (2 * row + 1 - site.camera.horizon)
    kerb = site.camera.point(site.right, 0.0, ahead)[0] / 2
    assert label[row, round(kerb) - 3] == CLASS_IDS["road"]
    assert label[row, round(kerb) + 3] == CLASS_IDS["pavement"]


def test_a_street_is_determined_by_its_seed() -> None:
    (image, label), (again, same), (other, _) = (draw_street(64, 48, seed) for seed in ("a", "a", "b"))
    assert np.array_equal(image, again)
    assert np.array_equal(label, same)
    assert not np.array_equal(image, other)


def test_a_streets_edges_agree_in_image_and_label() -> None:
    """Where the label changes the picture changes more than elsewhere, on average over a few scenes."""
    at_edges, elsewhere = [], []
    for seed in range(6):
        image, label = draw_street(192, 144, str(seed))
        step = np.abs(np.diff(image.astype(float), axis=1)).mean(2)
        edge = label[:, 1:] != label[:, :-1]
        at_edges.append(step[edge].mean())
        elsewhere.append(step[~edge].mean())
    assert np.mean(at_edges) > 2 * np.mean(elsewhere)
