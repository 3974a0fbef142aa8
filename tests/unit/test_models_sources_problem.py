"""Problems of sources as files have them: keys, faults all at once, traces, and pictures."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from fairslice.cli import cli
from fairslice.errors import InputError
from fairslice.models.answers import answer_text
from fairslice.models.sources import Pareto, voice
from fairslice.models.sources.problem import KINDS, SourceProblem

ON_OFF = {"data_rate": 4, "on_time_s": "1/2", "off_time_s": 1.5}
GOOD: list[dict[str, Any]] = [
    {"kind": "cbr", "data_rate": 10},
    {"kind": "cbr", "data_rate": 10, "packet_size": 2},
    {"kind": "poisson", "packet_rate": 5},
    {"kind": "on-off", **ON_OFF},
    {"kind": "on-off", **ON_OFF, "packet_size": 0.5, "window_s": 2},
    {"kind": "voice"},
    {"kind": "voice", "speech": "sriram-whitt", "packet_size": 1280},
    {"kind": "pareto-on-off", **ON_OFF, "shape": 1.2, "off_shape": 1.4},
    {"kind": "web"},
    {"kind": "web", "data_rate": 12_500},
]
KEYS = ["mean_rate", "peak_rate", "activity", "rate_variance", "peak_to_mean", "hurst"]


def answer(**values: Any) -> dict[str, Any]:
    found = answer_text(json.dumps({"model": "source", **values}), "f.json")
    assert isinstance(found, dict)
    return found


def faults(**values: Any) -> list[str]:
    with pytest.raises(InputError) as caught:
        answer(**values)
    return str(caught.value).splitlines()


@pytest.mark.parametrize("values", GOOD, ids=str)
def test_an_answer_has_its_keys_and_a_trace_where_there_is_a_seed(values: dict[str, Any]) -> None:
    found = answer(**values)
    assert list(found)[:6] == KEYS
    assert "trace" not in found
    drawn = answer(**values, sources=2, seed=3, duration_s=200)
    assert drawn["mean_rate"] == pytest.approx(2 * found["mean_rate"], rel=1e-12)
    packets = "packet_size" in values or (values["kind"] in ("poisson", "web") and "data_rate" not in values)
    assert {tuple(row) for row in drawn["trace"]} == {
        ("arrival", "length") if packets else ("start_s", "rate")
    }
    assert drawn == answer(**values, sources=2, seed=3, duration_s=200)
    times = [row.get("arrival", row.get("start_s")) for row in drawn["trace"]]
    assert times == sorted(times)
    if packets:
        sent = sum(row["length"] for row in drawn["trace"])
        assert drawn["sample"]["mean_rate"] == pytest.approx(sent / 200)


def test_what_is_said_explicitly_is_what_is_usual() -> None:
    assert answer(kind="voice") == answer(kind="voice", data_rate=64_000, speech="p59", shape=None)
    usual = {
        **{"main_object_size_mean": 10_710, "main_object_size_std_dev": 25_032},
        **{"main_object_size_min": 100, "main_object_size_max": 2_000_000},
        **{"embedded_object_size_mean": 7_758, "embedded_object_size_std_dev": 126_168},
        **{"embedded_object_size_min": 50, "embedded_object_size_max": 2_000_000},
        **{"num_of_embedded_objects_shape": 1.1, "num_of_embedded_objects_scale": 2},
        **{"num_of_embedded_objects_max": 55, "reading_time_mean_s": 30, "parsing_time_mean_s": 0.13},
    }
    assert answer(kind="web") == answer(kind="web", **usual)
    assert answer(kind="pareto-on-off", **ON_OFF) == answer(kind="pareto-on-off", **ON_OFF, shape="3/2")
    for name, value in usual.items():
        assert answer(kind="web", **{name: value * 1.5}) != answer(kind="web"), name


def test_pages_have_both_means_of_each_quantity() -> None:
    rows = {row["quantity"]: row for row in answer(kind="web")["pages"]}
    assert rows["bytes of the main object"]["uncut"] == rows["bytes of the main object"]["printed"] == 10_710
    assert round(rows["embedded objects"]["cut"], 2) == rows["embedded objects"]["printed"] == 5.64
    assert rows["embedded objects"]["uncut"] == pytest.approx(20)
    page, main, one, number = (
        rows[f"{name}"]["cut"]
        for name in (
            "bytes of a page",
            "bytes of the main object",
            "bytes of an embedded object",
            "embedded objects",
        )
    )
    assert page == pytest.approx(main + number * one)
    assert answer(kind="web")["mean_rate"] == pytest.approx(page / 30.13)
    endless = answer(kind="web", num_of_embedded_objects_shape=1)["pages"]
    assert [row["uncut"] for row in endless if row["quantity"] == "embedded objects"] == [None]


def test_every_fault_is_told_at_once_with_its_place() -> None:
    assert faults(kind="cbr", on_time_s=-1, shape=1, off_time_s=2, seed=1, size=3) == [
        "f.json: $.on_time_s: found -1, expected a number above 0",
        "f.json: $.shape: found 1, expected a number above 1",
        "f.json: $.size: unknown key",
        "f.json: $.seed: found 1, expected duration_s beside it, for a trace",
        "f.json: $.data_rate: is missing",
        "f.json: $.off_time_s: found 2, expected nothing, as the kind cbr has no such thing",
    ]
    assert faults(duration_s=4) == [
        "f.json: $.kind: is missing",
        "f.json: $.duration_s: found 4, expected seed beside it, for a trace",
    ]
    assert faults(kind=["cbr"], sources=0)[1:] == ["f.json: $.sources: found 0, expected a number from 1 up"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_kind_needs_and_takes_is_a_field(kind: str) -> None:
    needed, taken = KINDS[kind]
    assert needed | taken < SourceProblem.model_fields.keys()
    assert not needed & taken
    if needed:
        assert faults(kind=kind) == [
            f"f.json: $.{name}: is missing" for name in SourceProblem.model_fields if name in needed
        ]


def test_bounds_that_cross_are_told_together() -> None:
    (told,) = faults(
        kind="web", main_object_size_min=3e6, embedded_object_size_max=50, num_of_embedded_objects_max=1
    )
    assert told == (
        "f.json: $: found main_object_size_min 3e+06, expected less than its max 2e+06; "
        "found embedded_object_size_min 50, expected less than its max 50; "
        "found num_of_embedded_objects_max 1, expected more than its scale 2 and at most 1000000 more"
    )


@pytest.mark.parametrize(
    "values",
    [
        {"kind": "on-off", "data_rate": 1e200, "on_time_s": 1, "off_time_s": 1},
        {"kind": "poisson", "packet_rate": 1e200, "packet_size": 1e200},
        {"kind": "web", "main_object_size_std_dev": 1e300},
        {"kind": "web", "main_object_size_mean": 1e-200, "main_object_size_std_dev": 1e200},
        {
            "kind": "cbr",
            "data_rate": 1e200,
            "sources": 3,
            "packet_size": 1e-200,
            "seed": 1,
            "duration_s": 1e-299,
        },
    ],
    ids=str,
)
def test_numbers_too_far_apart_are_refused_not_computed(values: dict[str, Any]) -> None:
    (told,) = faults(**values)
    assert "too far apart to compute with" in told or "rows of a trace" in told


def test_a_trace_too_long_is_refused_before_it_is_drawn() -> None:
    (told,) = faults(kind="poisson", packet_rate=1e6, seed=1, duration_s=1000)
    assert told == (
        "f.json: $: found a duration_s of 1000 for 1 sources, which makes about 1e+09 rows of a trace, "
        "expected at most 1000000"
    )


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (
            {"kind": "on-off", "data_rate": 1, "on_time_s": 1, "off_time_s": 1, "window_s": 1e-9},
            "which has 1e+10 windows of window_s, 1e-09; expected at most 10000000",
        ),
        (
            {"kind": "poisson", "packet_rate": 1e-20, "duration_s": 1e20},
            "which has 1e+20 windows of window_s, 1; expected at most 10000000",
        ),
        (
            {"kind": "on-off", "data_rate": 1, "on_time_s": 1e-9, "off_time_s": 1e-9, "packet_size": 1},
            "which makes about 1e+10 rows of a trace, expected at most 1000000",
        ),
        (
            {"kind": "pareto-on-off", "data_rate": 1, "on_time_s": 1, "off_time_s": 1, "shape": 1.0000001},
            "which makes about 5.15e+06 rows of a trace, expected at most 1000000",
        ),
    ],
    ids=["windows", "windows of a second", "periods of packets", "short periods"],
)
def test_what_a_trace_needs_is_known_before_it_is_drawn(values: dict[str, Any], told: str) -> None:
    (fault,) = faults(**{"seed": 1, "duration_s": 10, **values})
    assert told in fault


def test_what_is_left_of_a_period_may_be_longer_than_a_float_can_say() -> None:
    """With a shape near 1 a random moment is in a period that lasts for ever, all but always."""
    values = {"data_rate": 3, "on_time_s": 1, "off_time_s": 1, "shape": 1.0000001}
    for seed in range(8):
        (step,) = answer(kind="pareto-on-off", seed=seed, duration_s=1, **values)["trace"]
        assert step["start_s"] == 0
        assert step["rate"] in {0, 3}


def test_a_shape_that_is_one_as_a_float_is_refused() -> None:
    values = {"data_rate": 1, "on_time_s": 1, "off_time_s": 1, "shape": "1.00000000000000000001"}
    (told,) = faults(kind="pareto-on-off", **values)
    assert told == "f.json: $.shape: found a number that is 1 as a float, expected a number above 1"


@pytest.mark.parametrize("period", [Pareto(2.0, 1.5), Pareto(2.0, 1.01), Pareto(2.0, 3.0)])
@pytest.mark.parametrize("time_s", [0.01, 1.0, 7.0, 1000.0])
def test_the_mean_of_cut_periods_is_the_area_under_their_tail(period: Pareto, time_s: float) -> None:
    edges = np.append(0, np.geomspace(1e-6 * time_s, time_s, 50_001))
    middles = (edges[1:] + edges[:-1]) / 2
    area = float(np.diff(edges) @ [period.tail(float(one)) for one in middles])
    assert period.mean_within(time_s) == pytest.approx(area, rel=1e-4)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"kind": "cbr", "data_rate": 0.1, "sources": 3}, {"mean_rate": 0.3, "peak_rate": 0.3}),
        (
            {"kind": "poisson", "packet_rate": 0.1, "packet_size": "1/3", "sources": 3, "window_s": 0.1},
            {"mean_rate": 0.1, "rate_variance": 1 / 3},
        ),
        (
            {"kind": "on-off", "data_rate": 1000, "on_time_s": "1/3", "off_time_s": 1},
            {"mean_rate": 250, "activity": 0.25, "rate_variance": 187_500, "asymptotic_variance": 93_750},
        ),
        ({"kind": "voice"}, {"mean_rate": 64_256_000 / 2591, "peak_to_mean": 2591 / 1004}),
        (
            {"kind": "pareto-on-off", "data_rate": 0.7, "on_time_s": 0.1, "off_time_s": 0.2, "shape": 1.4},
            {"activity": 1 / 3, "peak_to_mean": 3, "hurst": 0.8},
        ),
    ],
    ids=lambda one: str(one.get("kind", "")),
)
def test_rational_moments_are_exact_before_they_are_rounded(
    values: dict[str, Any], told: dict[str, float]
) -> None:
    found = answer(**values)
    assert {name: found[name] for name in told} == told


def test_the_library_and_the_file_agree() -> None:
    problem = SourceProblem.model_validate({"kind": "voice", "speech": "sriram-whitt"})
    assert problem.source() == voice("sriram-whitt")
    # The file's numbers are exact until they are printed, the library's are floats throughout.
    told, found = problem.moments(), voice("sriram-whitt").moments()
    for name in ("mean_rate", "peak_rate", "activity", "rate_variance", "hurst", "asymptotic_variance"):
        assert getattr(told, name) == pytest.approx(getattr(found, name), rel=1e-15)
    assert problem.trace() is None


def test_options_say_the_same_as_a_file() -> None:
    done = CliRunner().invoke(
        cli,
        [
            "model",
            "source",
            "--kind",
            "on-off",
            "--data-rate",
            "4",
            "--on-time-s",
            "1/2",
            "--off-time-s",
            "1.5",
            "--json",
        ],
    )
    assert done.exit_code == 0
    assert json.loads(done.output) == answer(kind="on-off", **ON_OFF)


def test_faults_of_options_are_told_by_their_names() -> None:
    done = CliRunner().invoke(cli, ["model", "source", "--kind", "poisson", "--data-rate", "4"])
    assert isinstance(done.exception, InputError)
    assert [str(fault) for fault in done.exception.faults] == [
        '--data-rate: found "4", expected nothing, as the kind poisson has no such thing',
        "--packet-rate: is missing",
    ]


@pytest.mark.parametrize(
    "options",
    [
        "--kind cbr --data-rate 4",
        "--kind cbr --data-rate 4 --packet-size 1 --seed 1 --duration-s 99",
        "--kind poisson --packet-rate 4",
        "--kind voice --sources 30 --packet-size 1280",
        "--kind pareto-on-off --data-rate 4 --on-time-s 1 --off-time-s 2",
        "--kind web",
        "--kind web --data-rate 10000 --seed 2 --duration-s 9000",
    ],
)
def test_every_kind_is_drawn_the_same_each_time(options: str, tmp_path: Path) -> None:
    drawn = []
    for name in ("one.svg", "other.svg"):
        done = CliRunner().invoke(cli, ["model", "source", *options.split(), "--plot", str(tmp_path / name)])
        assert done.exit_code == 0, done.output
        drawn.append((tmp_path / name).read_text(encoding="utf-8"))
    assert drawn[0] == drawn[1]
    for words in (
        "Rate, over windows of",
        "Marginal distribution",
        "Complementary distribution",
        "Variance-time",
    ):
        assert words in drawn[0]
    assert len(drawn[0]) < 400_000
