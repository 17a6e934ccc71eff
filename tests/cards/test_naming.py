from __future__ import annotations

from collections.abc import Callable

import pytest

from segbench.cards.naming import run_of, told_apart, with_run
from segbench.records.case import Case
from segbench.records.ledger import Entry

Make = Callable[..., Entry]


def trained(make: Make, folder: str) -> Entry:
    return make("segnode-w8", case=Case("train", "segnode-w8").with_options(folder=folder))


def judged(make: Make, checkpoint: str) -> Entry:
    return make("segnode-w8", case=Case("evaluate", "segnode-w8").with_options(checkpoint=checkpoint))


@pytest.mark.parametrize(
    ("checkpoint", "run"), [("runs/end-only/best.safetensors", "end-only"), ("shipped/net.safetensors", "net")]
)
def test_a_checkpoint_tells_its_training(checkpoint: str, run: str) -> None:
    assert run_of(checkpoint) == run


@pytest.mark.parametrize(("run", "name"), [("end", "net end"), ("net-end", "net end"), ("net", "net"), ("", "net")])
def test_a_network_with_its_training(run: str, name: str) -> None:
    assert with_run("net", run) == name


def test_several_trainings_of_one_network_are_told_apart(make_entry: Make) -> None:
    entries = [
        trained(make_entry, "runs/segnode-w8"),
        trained(make_entry, "runs/segnode-w8-end"),
        judged(make_entry, "runs/segnode-w8-end/last.safetensors"),
        make_entry("segnode-w8"),
    ]
    names = [entry.model for entry in told_apart(entries)]
    assert names == ["segnode-w8", "segnode-w8 end", "segnode-w8 end", "segnode-w8"]


def test_a_single_training_needs_no_name(make_entry: Make) -> None:
    entries = [trained(make_entry, "runs/mine"), judged(make_entry, "runs/mine/best.safetensors")]
    assert [entry.model for entry in told_apart(entries)] == ["segnode-w8", "segnode-w8"]


def test_replaced_arguments_are_in_the_name_unless_the_task_says_them_itself(make_entry: Make) -> None:
    case = Case("latency", "segnode-w8").with_arguments(steps=2)
    entries = [make_entry("segnode-w8", case=case), make_entry("segnode-w8", case=Case("gradients", "segnode-w8"))]
    assert [entry.model for entry in told_apart(entries)] == ["segnode-w8 steps=2", "segnode-w8"]


def test_users_files_of_one_name_and_other_text_are_two_networks(make_entry: Make) -> None:
    entries = [make_entry("net.py:Net", card_hash=text) for text in ("aaaa1", "bbbb2")]
    assert [entry.model for entry in told_apart(entries)] == ["net.py:Net #aaaa", "net.py:Net #bbbb"]
    assert [entry.model for entry in told_apart(entries[:1] * 2)] == ["net.py:Net", "net.py:Net"]
    cards = [make_entry("unet", card_hash=text) for text in ("aaaa1", "bbbb2")]
    assert [entry.model for entry in told_apart(cards)] == ["unet", "unet"], "another recipe is no other network"
