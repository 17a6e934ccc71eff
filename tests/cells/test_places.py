from __future__ import annotations

from pathlib import Path

from segbench.cells.places import publishable, read_places, written_places
from segbench.records.case import Case
from segbench.records.options import EvaluateOptions

CASE = Case(
    "evaluate",
    "/home/me/secret/net.py:Net+checkpoint",
    dataset="camvid",
    data_root="/home/me/data",
    options=EvaluateOptions(
        checkpoint="/home/me/runs/best.safetensors", folder="/home/me/out", against="here/evaluation.npz"
    ),
)


def test_no_path_of_this_machine_is_published() -> None:
    case = publishable(CASE)
    assert (case.model, case.data_root) == ("net.py:Net+checkpoint", None)
    assert case.options == EvaluateOptions(
        checkpoint="runs/best.safetensors", folder="out", against="here/evaluation.npz"
    )


def test_a_users_data_set_is_published_by_name_and_its_card_is_read() -> None:
    case = Case("latency", "unet", dataset="own#3fa94c01@/home/me/sets/mine.toml:a=b", data_root="/home/me/sets")
    assert publishable(case).dataset == "own:a=b"
    assert list(map(str, read_places(case))) == ["/home/me/sets/mine.toml", "/home/me/sets"]


def test_what_a_case_reads_and_writes_is_declared() -> None:
    assert list(map(str, read_places(CASE))) == [
        "/home/me/secret/net.py",
        "/home/me/data",
        "/home/me/runs/best.safetensors",
        "here/evaluation.npz",
    ]
    assert list(written_places(CASE)) == [Path("/home/me/out")]


def test_a_network_of_the_catalogue_reads_nothing_of_the_users() -> None:
    case = Case("memory", "segnode+recompute")
    assert list(read_places(case)) == list(written_places(case)) == []
    assert publishable(case) == case
