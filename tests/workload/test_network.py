from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from segbench.cards.card import ModelCard
from segbench.errors import CardError, UserError
from segbench.records.case import Case
from segbench.workload.network import build_case_network, build_from_card

NETWORKS = """
import torch
from torch import nn
from beside import WIDTH

class Net(nn.Conv2d):
    def __init__(self, num_classes, kernel=1):
        super().__init__(3, num_classes, kernel)

class Unfinished(nn.Module):
    def __init__(self):
        raise KeyError("weights")

def not_a_network(classes):
    return classes

number = 7
"""


@pytest.fixture
def users_file(tmp_path: Path) -> Path:
    (tmp_path / "beside.py").write_text("WIDTH = 8\n")
    (tmp_path / "nets.py").write_text(NETWORKS)
    return tmp_path / "nets.py"


def test_a_users_class_is_built_with_the_cases_classes(users_file: Path) -> None:
    network = build_case_network(Case("memory", f"{users_file}:Net", classes=5, arguments=(("kernel", 3),)))
    assert isinstance(network, nn.Conv2d)
    assert (network.out_channels, network.kernel_size) == (5, (3, 3))


def test_equal_seeds_give_equal_weights(users_file: Path) -> None:
    one, two, three = (build_case_network(Case("memory", f"{users_file}:Net", seed=seed)) for seed in (1, 1, 2))
    assert torch.equal(one.weight, two.weight)  # type: ignore[arg-type]
    assert not torch.equal(one.weight, three.weight)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("Missing", "networks there: Net, Unfinished"),
        ("Unfinished", "KeyError: 'weights'"),
        ("not_a_network", "gives a int, not a torch.nn.Module"),
        ("number", "is a int, not a class"),
    ],
)
def test_a_builder_that_fails_is_named_with_the_reason(users_file: Path, name: str, sentence: str) -> None:
    with pytest.raises(CardError, match=sentence):
        build_case_network(Case("memory", f"{users_file}:{name}"))


def test_a_module_that_does_not_import_is_named_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import no_such_package\n")
    with pytest.raises(CardError, match="cannot be imported: ModuleNotFoundError: No module named 'no_such_package'"):
        build_case_network(Case("memory", f"{tmp_path / 'broken.py'}:Net"))


def test_an_unknown_argument_is_the_cards_mistake() -> None:
    card = ModelCard(title="Conv", builder="torch.nn:Conv2d", arguments={"in_channels": 3, "colour": "red"})
    with pytest.raises(CardError, match="unexpected keyword argument 'colour'"):
        build_from_card(card)


SIZED = """
from torch import nn
from segbench.libraries.traits import Traits, with_traits

def build(classes, input_hw=None):
    network = nn.Conv2d(3, classes, input_hw)
    return with_traits(network, Traits(divisor=32))
"""


@pytest.fixture
def sized(tmp_path: Path) -> str:
    (tmp_path / "sized.py").write_text(SIZED)
    return f"{tmp_path}/sized.py:build"


def test_a_builder_that_wants_the_images_size_gets_it(sized: str) -> None:
    network = build_case_network(Case("memory", sized, width=64, height=32))
    assert network.weight.shape[2:] == (32, 64)


def test_a_size_the_network_does_not_take_is_refused_with_those_it_takes(sized: str) -> None:
    with pytest.raises(UserError, match="sides divisible by 32, not 480x360; give --input 480x352 or 480x384, or pad"):
        build_case_network(Case("memory", sized, width=480, height=360))


def test_a_size_the_network_does_not_take_is_padded_where_that_is_asked(sized: str) -> None:
    network = build_case_network(Case("memory", sized, width=40, height=20, pad=True))
    assert network(torch.zeros(1, 3, 20, 40)).shape[2:] == (13, 25), "32 - 20 + 1 and 64 - 40 + 1"
