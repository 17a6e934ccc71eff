from __future__ import annotations

import numpy as np
import pytest

from segbench.data.streets.textures import GROUND, LEVELS, SCREEN, TILE, ground_tile, screen_tile


@pytest.mark.parametrize("name", SCREEN)
def test_a_screen_texture_has_sixteen_levels_about_the_middle(name: str) -> None:
    tile = screen_tile(name, 256)
    assert tile.shape == (256, 256)
    assert tile.dtype == np.uint8
    assert tile.max() < LEVELS
    assert tile.mean() == pytest.approx((LEVELS - 1) / 2, abs=2.5)


@pytest.mark.parametrize("name", GROUND)
def test_a_ground_texture_fills_its_tile(name: str) -> None:
    tile = ground_tile(name)
    assert tile.shape == (TILE, TILE)
    assert tile.max() < LEVELS
    assert tile.std() > 0.5


@pytest.mark.parametrize("name", GROUND)
def test_a_ground_tile_repeats_without_a_seam(name: str) -> None:
    """Beyond its last column the first one follows as smoothly as any two neighbours do."""
    tile = ground_tile(name).astype(int)
    inner = np.abs(np.diff(tile, axis=1)).mean(axis=0)
    assert np.abs(tile[:, 0] - tile[:, -1]).mean() <= inner.max() + 1e-9


def test_smooth_has_one_level_and_bricks_have_joints_every_fifth_row() -> None:
    assert len(np.unique(screen_tile("smooth", 64))) == 1
    assert (screen_tile("bricks", 64)[::5] == 14).all()
    assert (screen_tile("planks", 70)[:, ::7] == 1).all()


def test_textures_are_the_same_in_every_process() -> None:
    first = screen_tile("leaves", 128).copy()
    screen_tile.cache_clear()
    assert np.array_equal(screen_tile("leaves", 128), first)
