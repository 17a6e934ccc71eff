from __future__ import annotations

import pytest
from torch import nn

from segbench.errors import UnknownName, UserError
from segbench.meters.gradients import SolverAndGradient, ode_blocks, using, valid_pairs
from segbench.ode.methods import GRADIENT_METHODS
from segbench.zoo.segnode import SegNode


def test_by_default_every_method_is_there_and_adaptive_solvers_are_represented_by_one() -> None:
    pairs = valid_pairs()
    assert {pair.gradient for pair in pairs} == {name for methods in GRADIENT_METHODS.values() for name in methods}
    assert {pair.solver for pair in pairs} == {
        *("euler", "midpoint", "heun", "rk4", "alf", "reversible-heun", "dopri5")
    }


def test_named_solvers_and_methods_limit_the_table() -> None:
    assert valid_pairs(["alf"]) == [SolverAndGradient("alf", "backprop"), SolverAndGradient("alf", "reversible")]
    assert {pair.solver for pair in valid_pairs(gradients=["aca"])} >= {"dopri5", "bosh3", "dopri8"}


def test_what_does_not_exist_or_go_together_is_refused() -> None:
    with pytest.raises(UnknownName, match="no gradient method 'adjiont'"):
        valid_pairs(gradients=["adjiont"])
    with pytest.raises(UserError, match="do not go together; euler goes with backprop"):
        valid_pairs(["euler"], ["aca"])


def test_a_pair_holds_while_it_is_used() -> None:
    network = SegNode(widths=(4, 4, 4, 4), stem=4, modules=1, blocks=1)
    with using(network, SolverAndGradient("rk4", "checkpoint-stage")):
        assert (network.ode.solver, network.ode.gradient) == ("rk4", "checkpoint-stage")
    assert (network.ode.solver, network.ode.gradient) == ("euler", "backprop")


def test_a_network_without_ode_has_nothing_to_differentiate_otherwise() -> None:
    with pytest.raises(UserError, match="Conv2d has no ODE block"):
        ode_blocks(nn.Conv2d(3, 3, 1))
