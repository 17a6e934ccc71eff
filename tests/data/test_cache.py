from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from segbench.data import Dataset, open_dataset
from segbench.data import cache as module
from segbench.data.cache import CachedDataset, CacheWarning, cached, decoded_bytes, default_folder
from segbench.errors import DataError, UnknownName, UserError

Write = Callable[..., Path]
EACH = 8 * 6 * 4


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def _same(first: Dataset, second: Dataset) -> bool:
    return first.names == second.names and all(
        np.array_equal(first[index].image, second[index].image)
        and np.array_equal(first[index].label, second[index].label)
        for index in range(len(first))
    )


def _opened(camvid: Path, folder: Path) -> Dataset:
    return cached(open_dataset("camvid", camvid), "on", folder=folder)


def test_a_cached_set_gives_the_same_samples_and_facts(camvid: Path, folder: Path) -> None:
    plain = open_dataset("camvid", camvid)
    fast = cached(plain, "on", folder=folder)
    assert isinstance(fast, CachedDataset)
    assert _same(plain, fast)
    assert _same(plain, fast), "the second reading is not checked any more"
    assert (fast.name, fast.split, fast.classes, fast.size) == (plain.name, plain.split, plain.classes, plain.size)
    assert (fast.fingerprint, fast.describe()) == (plain.fingerprint, plain.describe())
    assert (fast.palette, fast.flip_pairs, fast.broken) == (plain.palette, plain.flip_pairs, plain.broken)


def test_images_of_different_sizes_are_kept(camvid: Path, folder: Path, write_image: Write, write_label: Write) -> None:
    write_image(camvid / "train/b.png", size=(5, 9))
    write_label(camvid / "trainannot/b.png", 2, size=(5, 9))
    assert _same(open_dataset("camvid", camvid), _opened(camvid, folder))


def test_the_second_opening_decodes_nothing(camvid: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _opened(camvid, folder)
    monkeypatch.setattr(module, "_make", None)
    assert isinstance(_opened(camvid, folder), CachedDataset)


def test_a_changed_file_makes_a_new_cache(camvid: Path, folder: Path, write_image: Write) -> None:
    first = camvid / "train/a.png"
    _opened(camvid, folder)
    size = first.stat().st_size
    write_image(first, colour=(0, 50, 101))
    assert first.stat().st_size == size, "the test wants an edit that sizes do not show"
    assert _opened(camvid, folder)[0].image[0, 0].tolist() == [0, 50, 101]


@pytest.mark.parametrize("kind", ["cut off", "index cut off", "index gone", "pixels gone"])
def test_an_incomplete_cache_is_made_again(camvid: Path, folder: Path, kind: str) -> None:
    _opened(camvid, folder)
    (pixels,) = folder.glob("*.pixels")
    index = pixels.with_suffix(".json")
    victim = index if "index" in kind else pixels
    if "gone" in kind:
        victim.unlink()
    else:
        victim.write_bytes(victim.read_bytes()[:-5])
    assert _same(open_dataset("camvid", camvid), _opened(camvid, folder))
    assert pixels.stat().st_size == 3 * EACH


def test_a_flipped_bit_is_noticed_and_the_file_read_instead(camvid: Path, folder: Path) -> None:
    _opened(camvid, folder)
    (pixels,) = folder.glob("*.pixels")
    data = bytearray(pixels.read_bytes())
    data[EACH + 7] ^= 1
    pixels.write_bytes(data)
    damaged, plain = _opened(camvid, folder), open_dataset("camvid", camvid)
    with pytest.warns(CacheWarning, match=r"damaged at b; reading its file"):
        assert np.array_equal(damaged[1].image, plain[1].image)
    assert _same(plain, _opened(camvid, folder)), "the next start made it again"


def test_an_interrupted_making_leaves_nothing_that_counts(camvid: Path, folder: Path) -> None:
    plain = open_dataset("camvid", camvid)
    (camvid / "trainannot/c.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"trainannot/c.png: it is empty"):
        cached(plain, "on", folder=folder)
    assert not list(folder.glob("*.json")) + list(folder.glob("*.pixels")) + list(folder.glob("*.part"))


def test_two_processes_may_start_at_once(camvid: Path, folder: Path) -> None:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        sums = list(pool.map(_pixel_sum, [camvid] * 2, [folder] * 2))
    assert sums[0] == sums[1] > 0
    assert len(list(folder.glob("*.pixels"))) == 1


def _pixel_sum(camvid: Path, folder: Path) -> int:
    dataset = _opened(camvid, folder)
    return sum(int(dataset[index].image.sum()) for index in range(len(dataset)))


def test_workers_get_the_file_not_the_pixels(camvid: Path, folder: Path) -> None:
    dataset = _opened(camvid, folder)
    assert _same(dataset, pickle.loads(pickle.dumps(dataset)))


def test_auto_keeps_small_sets_only(camvid: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = open_dataset("camvid", camvid)
    assert decoded_bytes(plain) == 3 * EACH
    assert isinstance(cached(plain, "auto", folder=folder), CachedDataset)
    monkeypatch.setattr(module, "AUTO_LIMIT", 2 * EACH)
    assert cached(plain, "auto", folder=folder) is plain
    assert isinstance(cached(plain, "on", folder=folder), CachedDataset)
    assert cached(plain, "off", folder=folder) is plain


def test_a_set_above_the_limit_is_refused_with_advice(camvid: Path, folder: Path) -> None:
    with pytest.raises(UserError, match=r"camvid train decodes to .* GiB, more than .*SEGBENCH_CACHE_LIMIT=1GiB"):
        cached(open_dataset("camvid", camvid), "on", folder=folder, limit=10)


def test_the_cache_used_longest_ago_makes_room(camvid: Path, folder: Path) -> None:
    names = ("train", "val", "train+val")
    limit = 5 * EACH
    made = [cached(open_dataset("camvid", camvid, name), "on", folder=folder, limit=limit) for name in names[:2]]
    paths = [dataset.path for dataset in made if isinstance(dataset, CachedDataset)]
    os.utime(paths[0].with_suffix(".json"), (1, 1))
    largest = cached(open_dataset("camvid", camvid, names[2]), "on", folder=folder, limit=limit)
    assert isinstance(largest, CachedDataset)
    assert set(folder.glob("*.pixels")) == {paths[1], largest.path}
    assert made[0][0].name == "a", "a process that still reads the removed one is not disturbed"


def test_a_folder_that_cannot_be_written_costs_only_a_warning(camvid: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    plain = open_dataset("camvid", camvid)
    with pytest.warns(CacheWarning, match="no cache in .*file/cache"):
        assert cached(plain, "on", folder=tmp_path / "file/cache") is plain


def test_the_folder_follows_the_users_cache_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, camvid: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SEGBENCH_CACHE_LIMIT", "1MiB")
    dataset = open_dataset("camvid", camvid, cache="auto")
    assert isinstance(dataset, CachedDataset)
    assert dataset.path.parent == default_folder() == tmp_path / "home/segbench/data"


def test_an_unknown_mode_is_refused(camvid: Path) -> None:
    with pytest.raises(UnknownName, match="no cache mode 'yes'; known: auto, off, on"):
        open_dataset("camvid", camvid, cache="yes")
