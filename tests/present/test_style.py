"""One look: fixed for the catalogue's networks, and never two networks alike."""

from __future__ import annotations

from segbench.estimate.log import ROLES
from segbench.present.style import ROLE_COLOURS, VERDICT_COLOURS, identities
from segbench.statistics.verdicts import VERDICTS


def test_a_network_looks_the_same_in_every_company() -> None:
    assert identities(["segnode"])["segnode"] == identities(["unet", "mine", "segnode"])["segnode"]


def test_no_two_networks_look_alike() -> None:
    names = ["hrnetv2", "segnode", *(f"net{number}" for number in range(20))]
    assert len(set(identities(names).values())) == len(names)


def test_of_more_networks_than_looks_each_has_one() -> None:
    assert len(identities(f"net{number}" for number in range(100))) == 100


def test_every_verdict_and_every_role_of_memory_has_a_colour() -> None:
    assert list(VERDICT_COLOURS) == list(VERDICTS)
    assert set(ROLE_COLOURS) == set(ROLES)
