from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PIL import Image

from segbench.adaptive.policies import parse_policy
from segbench.errors import UserError
from segbench.judging.asking import ask
from segbench.judging.depth import DepthAlbum, depth_of, routes_of
from tests.judging.conftest import SIDE, Exits, Plainly

if TYPE_CHECKING:
    from tests.judging.conftest import Scenes

PALETTE = [(255, 0, 0), (0, 255, 0)]


def test_depth_is_the_stage_after_which_a_part_had_finished() -> None:
    one, two = torch.tensor([[True, False], [True, False]]), torch.tensor([[True, True], [False, False]])
    assert depth_of((one, two), 3).tolist() == [[3, 1], [2, 1]], "what has finished stays finished"
    assert depth_of((torch.tensor(True),), 2).tolist() == [[2]]
    assert depth_of((), 1).tolist() == [[1]]


def test_of_paths_the_lattice_is_painted_and_how_many_were_taken_out_of_each_cell() -> None:
    stem, layer = torch.tensor([[0, 1, 1]]).bool(), torch.tensor([[0, 0, 0], [1, 1, 1]]).bool()
    assert routes_of((stem, layer)).tolist() == [[2, 0], [0, 3]]
    legend = DepthAlbum(frozenset(), deepest=3, of_paths=True).legend()
    assert list(legend) == ["no path, or no cell", "1 path", "2 paths", "3 paths"] and len(legend["1 path"]) == 3


@pytest.fixture
def album(scenes: Scenes) -> DepthAlbum:
    """The half hard image."""
    network, made = Exits("region"), DepthAlbum(frozenset({1}))
    for number, sample in enumerate(scenes.samples):
        sample = type(sample)(sample.image.astype(np.uint8), sample.label, f"scene-{number}")
        own = ask(network, Plainly.inputs([scenes[number]]), parse_policy("confidence>0.9"))
        made(number, sample, {"confidence>0.9": own})
    return made


def test_pictures_are_kept_of_the_chosen_images(album: DepthAlbum) -> None:
    assert list(album.maps) == ["confidence>0.9"] and list(album.samples) == [1]
    depth, labels = album.maps["confidence>0.9"][1]
    assert depth.tolist() == [[1, 1], [3, 3]]
    assert labels.tolist() == [[1] * SIDE] * SIDE


def test_what_travels_in_a_ledger_is_as_small_as_the_grid_and_in_the_stages_colours(album: DepthAlbum) -> None:
    (frames,) = album.embedded(PALETTE, "synthetic").values()
    item = frames["depths"]["synthetic/scene-1"]
    picture = Image.open(io.BytesIO(base64.b64decode(item["depth"]))).convert("RGB")
    first, _, last = album.legend().values()
    assert picture.size == (2, 2)
    assert (list(picture.getpixel((0, 0))), list(picture.getpixel((0, 1)))) == (first, last)  # type: ignore[arg-type]
    assert set(album.pictures(PALETTE, "synthetic")) == {"synthetic/scene-1"}


def test_the_picture_is_drawn_or_its_place_refused(album: DepthAlbum, tmp_path: Path) -> None:
    album.draw(["confidence>0.9"], tmp_path / "new" / "depth.png")
    assert (tmp_path / "new" / "depth.png").stat().st_size
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="choose another place with -o"):
        album.draw(["confidence>0.9"], tmp_path / "file" / "depth.png")
