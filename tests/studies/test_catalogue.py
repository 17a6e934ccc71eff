from collections.abc import Callable

from segbench.cards.model import find_model
from segbench.records.ledger import Entry
from segbench.records.text import printable
from segbench.studies.catalogue import cards_of


def test_a_network_whose_name_was_shortened_within_an_argument_has_no_card_and_stops_nothing(
    make_entry: Callable[..., Entry],
) -> None:
    shortened = printable(f"segnode-w8?{'&'.join(f'some_argument_{number}=2' for number in range(9))}", 59)
    assert ".." in shortened
    cards = cards_of([make_entry(shortened), make_entry("segnode-w8")])
    assert cards == {"segnode-w8": find_model("segnode-w8").card}
