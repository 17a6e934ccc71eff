from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

from segbench.data.streets.site import Site, paint, stone


def test_kerbs_and_plots_lie_on_their_side(make_site: Callable[..., Site]) -> None:
    site = make_site()
    assert (site.kerb(-1), site.kerb(1)) == (-3.0, 3.0)
    assert (site.plot(-1), site.plot(1)) == (-5.0, 5.0)


def test_the_wall_that_faces_the_sun_is_the_brighter_one(make_site: Callable[..., Site]) -> None:
    site = make_site()
    assert site.facing(-1) == site.facing(1) == 1.0
    from_the_right = replace(site, light=replace(site.light, side=1.0))
    assert from_the_right.facing(-1) > 1 > from_the_right.facing(1)


def test_masonry_shares_its_colours_with_what_is_painted() -> None:
    """So that a colour alone tells no class: about a quarter of what is painted is drawn from masonry's colours."""
    stones = {stone(Random(seed)) for seed in range(50)}
    painted = {paint(Random(seed)) for seed in range(50)}
    for red, green, blue in stones | painted:
        assert 0 <= min(red, green, blue) <= max(red, green, blue) <= 255
    grey = [max(colour) - min(colour) for colour in painted]
    assert min(grey) < 20 < 100 < max(grey)
