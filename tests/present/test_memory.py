from __future__ import annotations

from collections.abc import Callable

from segbench.cards.card import ModelCard, Reference
from segbench.present.memory import memory_table
from segbench.records.case import Case
from segbench.records.ledger import Entry
from segbench.records.measurement import Measurement

CARD = ModelCard(
    title="SegNode",
    builder="a:B",
    reference=(Reference(quantity="train_peak_memory", value=13.4, unit="GB", source="Table 2", batch_size=24),),
)


def peak(mode: str, value: int) -> Measurement:
    return Measurement(f"{mode}_peak_live_bytes", value, "measured:host", mode=mode)


def test_a_network_is_set_beside_hrnet_and_the_paper(make_entry: Callable[..., Entry]) -> None:
    train = {"case": Case("memory", "x", modes=("train",), batch_size=2)}
    entries = [
        make_entry("segnode", Measurement("parameters", 20_948_124, "counted"), peak("train", 2**30), **train),
        make_entry("hrnetv2", peak("train", 2**31), **train),
    ]
    sheet = memory_table(entries, {"segnode": CARD})
    assert sheet.headings == [
        "\nnetwork",
        "\nparameters",
        "training\nbatch 2",
        "\nratio",
        "\npaper",
        "\noutcome",
    ]
    assert sheet.lines()[0] == ["segnode", "20.95 M", "1.00 GiB", "0.50", "13.4 GB", "ok"]
    assert any("batch 24 (Table 2)" in note for note in sheet.notes)


def test_a_failed_network_keeps_its_row_and_its_cause(make_entry: Callable[..., Entry]) -> None:
    failed = make_entry(
        "unet", outcome="crashed", cause="killed by SIGSEGV", case=Case("memory", "x", modes=("infer",))
    )
    assert memory_table([failed], {}).lines()[0][-1] == "crashed: killed by SIGSEGV"


def test_where_an_allocator_rounds_the_ratio_of_live_bytes_is_told_too(make_entry: Callable[..., Entry]) -> None:
    train = {"case": Case("predict", "x", device="none", modes=("train",), batch_size=24)}

    def predicted(live: int, reserved: int) -> list[Measurement]:
        found = {"live": live, "reserved": reserved}
        return [
            Measurement(f"train_peak_{kind}_bytes", size, "predicted", mode="train") for kind, size in found.items()
        ]

    entries = [
        make_entry("segnode", *predicted(27 * 2**20, 30 * 2**20), **train),
        make_entry("hrnetv2", *predicted(100 * 2**20, 100 * 2**20), **train),
    ]
    sheet = memory_table(entries, {})
    assert sheet.lines()[0][3] == "0.30"
    assert "training, live bytes to hrnetv2's: segnode 0.27" in sheet.notes


def test_where_an_interval_is_from_is_told_once(make_entry: Callable[..., Entry]) -> None:
    found = Measurement("train_peak_reserved_bytes", 100, "predicted", mode="train", detail=INTERVAL)
    case = Case("predict", "x", device="none", modes=("train",))
    entries = [make_entry(name, found, case=case) for name in ("segnode", "unet")]
    assert memory_table(entries, {}).notes.count("of 9 trainings") == 1


INTERVAL = {"interval": [98, 103], "interval_source": "of 9 trainings"}
