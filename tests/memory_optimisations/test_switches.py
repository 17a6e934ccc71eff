"""What all switches have in common, on a tiny network that every one of them changes."""

from __future__ import annotations

import copy
from itertools import combinations

import pytest
import torch
from torch import Tensor, nn

from segbench.errors import UnknownName, UserError
from segbench.memory_optimisations.switch import without_savings
from segbench.memory_optimisations.switches import SWITCHES, apply_optimisations, changes_of, is_exact
from tests.memory_optimisations.networks import gradient, images, tiny

FORMS = (
    "inplace-abn",
    "reversible",
    "recompute",
    "checkpoint",
    "checkpoint:sqrt",
    "checkpoint:body.*,stem",
    "bf16",
    "fp16",
    "save-on-cpu",
    "compress:8bit",
)
BOUNDS = {"bf16": 3e-2, "fp16": 1e-2, "compress": 2e-2}
"""Relative errors of a gradient: some times 2^-9, 2^-12 and 2^-8, as it goes through nine layers."""
BIT_FOR_BIT = ("checkpoint", "checkpoint:sqrt", "checkpoint:body.*,stem", "save-on-cpu")

every_form = pytest.mark.parametrize("form", FORMS)


def saving(form: str, dropout: float = 0.0, dtype: torch.dtype = torch.float64) -> nn.Module:
    network = tiny(dropout, dtype)
    apply_optimisations(network, form.split("+"))
    return network


def plain(form: str, dropout: float = 0.0, dtype: torch.dtype = torch.float64) -> nn.Module:
    """The network that the switch makes, were there no memory to be saved; untouched where it changes nothing."""
    return saving(form, dropout, dtype) if changes_of(form.split("+")) else tiny(dropout, dtype)


def plain_gradient(form: str, dropout: float = 0.0) -> Tensor:
    network = plain(form, dropout)
    with without_savings(network):
        return gradient(network)


def error(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


def test_there_is_a_form_of_every_switch() -> None:
    assert list(dict.fromkeys(form.partition(":")[0] for form in FORMS)) == list(SWITCHES)


@every_form
def test_gradients_are_those_of_the_plain_network_dropout_included(form: str) -> None:
    (name,) = {form.partition(":")[0]}
    found, expected = gradient(saving(form, dropout=0.3)), plain_gradient(form, dropout=0.3)
    assert error(found, expected) < BOUNDS.get(name, 1e-10)
    assert is_exact([form]) == (name not in BOUNDS)
    if form in BIT_FOR_BIT:
        assert torch.equal(found, expected)
    if not is_exact([form]):  # otherwise it would have kept everything as it is
        assert error(found, expected) > 1e-8


@every_form
def test_running_statistics_and_outputs_are_those_of_the_plain_network(form: str) -> None:
    network, other = saving(form).train(), plain(form).train()
    with without_savings(other):
        expected = other(images(other))
    found = network(images(network))
    found.sum().backward()
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    for (name, value), reference in zip(network.named_buffers(), other.buffers(), strict=True):
        torch.testing.assert_close(value, reference, rtol=1e-12, atol=1e-12, msg=name)
    counts = {int(value) for name, value in network.named_buffers() if name.endswith("num_batches_tracked")}
    assert counts == {1}


@every_form
def test_names_and_values_of_a_state_dict_stay(form: str) -> None:
    found, expected = saving(form).state_dict(), tiny().state_dict()
    assert list(found) == list(expected)
    assert all(torch.equal(found[name], expected[name]) for name in found)


@every_form
def test_evaluation_is_plain(form: str) -> None:
    network, other = saving(form, dropout=0.3).eval(), plain(form, dropout=0.3).eval()
    with torch.no_grad(), without_savings(other):
        assert torch.equal(network(images(network)), other(images(other)))
    assert error(gradient(network), gradient(other)) < 1e-10


@every_form
def test_copies_work_on_their_own_parameters(form: str) -> None:
    network = saving(form)
    twin = copy.deepcopy(network)
    for parameter in twin.parameters():
        parameter.data.zero_()
    assert twin(images(twin)).abs().sum() == 0 and network(images(network)).abs().sum() > 0


@pytest.mark.parametrize("pair", list(combinations(FORMS, 2)), ids="+".join)
def test_two_switches_go_together_or_say_that_they_do_not(pair: tuple[str, str]) -> None:
    one, other = (form.partition(":")[0] for form in pair)
    if other in SWITCHES[one].excludes or one in SWITCHES[other].excludes:
        with pytest.raises(UserError, match=f"{one}' and '{other}' do not go together"):
            saving("+".join(pair))
    elif one == other:
        with pytest.raises(UserError, match="given twice"):
            saving("+".join(pair))
    else:
        both = "+".join(pair)
        found, expected = gradient(saving(both, dropout=0.3)), plain_gradient(both, dropout=0.3)
        bound = max(BOUNDS.get(one, 1e-10), BOUNDS.get(other, 1e-10))
        assert error(found, expected) < bound


def test_the_order_of_names_does_not_matter() -> None:
    written = ["compress", "checkpoint", "recompute"]
    assert list(apply_optimisations(tiny(), written)) == ["recompute", "checkpoint", "compress"]


def test_no_switch_changes_nothing() -> None:
    assert apply_optimisations(tiny(), []) == {}


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("checkpoints", "no memory optimisation 'checkpoints'; did you mean checkpoint"),
        ("recompute:2", "takes no value"),
        ("compress:4bit", "has no '4bit'; it knows 8bit"),
        ("checkpoint:budget=8GB", "is settled for a case of a command"),
    ],
)
def test_what_cannot_be_applied_is_one_sentence(written: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        apply_optimisations(tiny(), [written])


def test_a_switch_that_finds_nothing_says_what_it_works_on() -> None:
    frozen = nn.Conv2d(3, 3, 1).requires_grad_(False)
    for name, switch in SWITCHES.items():
        with pytest.raises(UserError, match=f"finds nothing to change in .*Conv2d; it works on {switch.works_on[:9]}"):
            apply_optimisations(copy.deepcopy(frozen), [name])


def test_an_unknown_switch_is_a_users_mistake() -> None:
    with pytest.raises(UnknownName):
        apply_optimisations(tiny(), ["thinner"])
