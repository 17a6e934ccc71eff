from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import distance_transform_edt

from segbench.zoo.signed_distance import signed_distance


def test_a_pixel_alone_has_its_contour_half_a_pixel_around() -> None:
    mask = torch.zeros(1, 1, 5, 5, dtype=torch.bool)
    mask[..., 2, 2] = True
    found = signed_distance(mask, 3)[0, 0]
    assert found[2].tolist() == [1.5, 0.5, -0.5, 0.5, 1.5]
    assert found[0, 0].item() == pytest.approx(8**0.5 - 0.5)


@pytest.mark.parametrize("reach", [1, 6, 50])
def test_it_is_scipys_exact_distance_up_to_the_reach(reach: int) -> None:
    mask = torch.rand(2, 2, 23, 31, generator=torch.Generator().manual_seed(0)) < 0.03
    found = signed_distance(mask, reach).numpy()
    for place in np.ndindex(2, 2):
        inside = mask.numpy()[place]
        exact = np.where(inside, 0.5 - distance_transform_edt(inside), distance_transform_edt(~inside) - 0.5)
        assert np.abs(found[place] - exact.clip(-reach, reach)).max() < 1e-5


@pytest.mark.parametrize(("everywhere", "distance"), [(True, -7.0), (False, 7.0)])
def test_without_a_boundary_it_is_the_reach_everywhere(everywhere: bool, distance: float) -> None:
    mask = torch.full((1, 1, 4, 5), everywhere)
    assert (signed_distance(mask, 7) == distance).all()
