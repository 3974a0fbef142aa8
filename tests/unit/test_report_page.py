import re
import stat
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from fairslice.errors import InputError, MachineError
from fairslice.measure.results import HostResult, RunResult, Versions, from_json
from fairslice.report import page as report
from fairslice.report.page import ReportInput, render_report, write_report
from fairslice.report.pictures import Series
from fairslice.testing.results import ping

FIXTURES = Path(__file__).parents[1] / "fixtures" / "results"


def load(name: str) -> RunResult:
    return from_json((FIXTURES / f"{name}.json").read_text(encoding="utf-8"))


def extra(result: RunResult, **rest: object) -> ReportInput:
    names = list(dict.fromkeys(end for link in result.links for end in (link.source, link.target)))
    times = tuple(-0.75 + 0.5 * i for i in range(12))
    given = ReportInput(
        switches=tuple(n for n in names if n[0] != "h"),
        hosts=tuple(n for n in names if n[0] == "h"),
        series=tuple(Series(i, times, (flow.wire_bps,) * 12) for i, flow in enumerate(result.flows)),
        policy_text="version: 1\nslices: {}\n",
        environment={"Open vSwitch": "3.1.0"},
        command="fairslice run --policy <p>",
    )
    return replace(given, **rest)  # type: ignore[arg-type]


class Page(HTMLParser):
    """Its text, tags and attributes; fails on tags that are closed out of order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""
        self.attributes: list[tuple[str, str, str]] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self.text += " "
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data


@pytest.mark.parametrize("name", ["dumbbell", "fat_tree"])
def test_a_page_stands_alone(name: str) -> None:
    result = load(name)
    page = Page(render_report(result, extra(result)))
    tags = {tag for tag, _, _ in page.attributes}
    assert not tags & {"script", "link", "img", "iframe", "object"}
    references = [value for _, key, value in page.attributes if key in ("href", "src", "xlink:href")]
    assert all(value.startswith("#") for value in references)
    urls = re.findall(r"url\((.*?)\)", " ".join(value for _, _, value in page.attributes))
    assert all(url.startswith("#") for url in urls)
    assert ("meta", "content", "default-src 'none'; style-src 'unsafe-inline'") in page.attributes


def test_ids_are_unique_and_references_meet_theirs() -> None:
    result = load("fat_tree")
    page = Page(render_report(result, extra(result)))
    ids = [value for _, key, value in page.attributes if key == "id"]
    assert len(ids) == len(set(ids))
    values = " ".join(value for _, key, value in page.attributes if key != "id")
    assert set(re.findall(r"#([A-Za-z]\w*)(?=\)| |$)", values)) - set(ids) <= set(
        re.findall(r"#([0-9a-f]{6})\b", values)
    )


def test_what_a_page_tells() -> None:
    result = load("fat_tree")
    text = " ".join(Page(render_report(result, extra(result))).text.split())
    for part in (
        "Fair: every flow, or shaped slice, got its allocation to within 1.0 % (tolerance 5 %).",
        "12 of 12",
        "judged on their sum",
        "h15->h2 udp dst_port 5004",
        "80.1 % lost",
        "a3->e3 is full",
        "demand is met",
        "Slice by slice",
        "more links with less load",
        "whole Ethernet frames",
        "ok (sum)",
        "Open vSwitch 3.1.0",
        "ryu 4.34",
        "77 % of all processors",
        "bring up 6.8 s, install 1.9 s",
        "version: 1",
        "fairslice run --policy <p>",
        "20 switches, 16 hosts",
    ):
        assert part in text
    assert "Throughput over time" in text


def test_the_framework_is_shown_once() -> None:
    result = load("dumbbell")
    known = replace(
        result,
        versions=Versions(
            fairslice="1",
            framework="ryu 4.34",
            python="3",
            kernel="6",
            open_vswitch=None,
            iperf3=None,
            mininet=None,
        ),
    )
    assert (result.versions, result.framework) == (None, "ryu 4.34")
    for shown, environment in ((result, {}), (known, {"controller framework": "ryu 4.34"})):
        text = Page(render_report(shown, extra(shown, environment=environment))).text
        assert text.count("ryu 4.34") == text.count("framework") == 1


def test_what_max_min_fairness_is_told_with_weights() -> None:
    """No rate can be raised without lowering one that is no higher, each taken by its weight."""
    result = load("dumbbell")
    text = " ".join(Page(render_report(result, extra(result))).text.split())
    assert "It can't be raised without lowering that of a flow that has no more for its weight." in text


def test_a_page_with_the_least() -> None:
    result = replace(
        load("dumbbell"), flows=(), slices=(), links=(), busy=None, timings_s={}, jain_index=None
    )
    page = Page(render_report(result, ReportInput(switches=(), hosts=())))
    for part in ("Throughput", "Flow by flow", "What happened", "timings", "command", "The policy"):
        assert part not in page.text
    assert "Nothing to judge" in page.text


@pytest.mark.parametrize(
    ("verdict", "kind"),
    [
        ("fair", "fair"),
        ("out of tolerance", "out-of-tolerance"),
        ("cpu-bound", "cpu-bound"),
        ("can't tell", "cant-tell"),
    ],
)
def test_the_verdict_has_its_colour(verdict: str, kind: str) -> None:
    result = load("dumbbell")
    doubt = "too few frames" if verdict == "can't tell" else ""
    first = replace(result.flows[0], passed=None if doubt else False, error=-0.5, doubt=doubt)
    flows = (first, *result.flows[1:])
    html = render_report(replace(result, flows=flows, verdict=verdict), extra(result))  # type: ignore[arg-type]
    assert f'<section class="verdict {kind}">' in html
    assert f".{kind} {{ --tone" in html
    assert ("✗ no" in html) is (verdict != "can't tell")


def test_all_that_comes_from_outside_is_escaped() -> None:
    result = load("dumbbell")
    evil = "<script>alert(1)</script>&\"'"
    flow = replace(result.flows[0], slice=evil, source=evil, match=evil, bottleneck=evil)
    links = tuple(replace(link, source=evil) if link.source == "h1" else link for link in result.links)
    links = tuple(replace(link, target=evil) if link.target == "h1" else link for link in links)
    result = replace(
        result,
        flows=(flow,),
        links=links,
        slices=(replace(result.slices[0], slice=evil),),
        notes=(evil,),
        policy=evil,
        topology=evil,
        framework=evil,
        timings_s={evil: 1.0},
    )
    html = render_report(
        result,
        extra(result, policy_text=evil, environment={evil: evil}, command=evil, switches=("s1", "s2", evil)),
    )
    assert "<script" not in html
    assert "script" not in {tag for tag, _, _ in Page(html).attributes}


def test_pictures_keep_their_size_on_a_narrow_window_and_scroll() -> None:
    """Each stands in a box that scrolls sideways, and is never narrower than what its words are made for."""
    html = render_report(load("dumbbell"), extra(load("dumbbell")))
    figures = re.findall(r"<figure.*?</figure>", html, re.DOTALL)
    assert len(figures) == 3
    for figure in figures:
        assert re.search(r'<div class="wide" tabindex="0">\s*<svg', figure), "a keyboard can scroll it, too"
    style = html[html.index("<style>") : html.index("</style>")]
    assert ".wide { overflow-x: auto; }" in style
    rule = re.search(r"figure \.wide svg \{ (.*?) \}", style)
    assert rule is not None
    least = re.search(r"min-width: (\d+)rem", rule[1])
    assert least is not None
    # A picture's own width is in points, 4/3 of a pixel; a rem is 16 pixels.
    widths = [float(one) for one in re.findall(r'<svg[^>]* width="([\d.]+)pt"', html)]
    assert len(widths) == 3
    assert int(least[1]) * 16 >= 0.95 * max(widths) * 4 / 3


def test_pictures_follow_the_page_into_the_dark() -> None:
    result = load("dumbbell")
    html = render_report(result, extra(result))
    pictures = " ".join(re.findall(r"<svg.*?</svg>", html, re.DOTALL))
    assert "var(--ink)" in pictures
    for colour in report._THEMED:
        assert f": {colour}" not in pictures
    assert "prefers-color-scheme: dark" in html


def test_a_name_like_a_colour_is_no_colour() -> None:
    result = load("dumbbell")
    result = replace(result, flows=(replace(result.flows[0], source="#1f2933"),), slices=result.slices[:1])
    assert "#1f2933-&gt;h4" in render_report(result, extra(result))


def test_write_replaces_the_whole_file(tmp_path: Path) -> None:
    result = load("dumbbell")
    path = tmp_path / "report.html"
    path.write_text("old", encoding="utf-8")
    write_report(result, extra(result), path)
    assert path.read_text(encoding="utf-8") == render_report(result, extra(result))
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "report.html"
    path.write_text("old", encoding="utf-8")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    result = load("dumbbell")
    with pytest.raises(MachineError, match=r"report.html: can't be written: No space left on device"):
        write_report(result, extra(result), path)
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_no_directory(tmp_path: Path) -> None:
    result = load("dumbbell")
    with pytest.raises(InputError, match="No such file or directory"):
        write_report(result, extra(result), tmp_path / "none" / "report.html")


def test_what_can_not_be_told_and_what_was_not_measured_stand_on_the_page() -> None:
    result = load("dumbbell")
    other = ping("iperf3 <can't>")
    flow = replace(result.flows[0], passed=None, doubt="too <few> frames")
    unclear = replace(result, flows=(flow, *result.flows[1:]), verdict="can't tell", not_measured=(other,))
    page = Page(render_report(unclear, extra(unclear)))
    text = " ".join(page.text.split())
    assert "? can't tell" in text
    assert "gold h1->h4 can't be judged: too <few> frames." in text
    assert "ping h1->h4 icmp was not measured: iperf3 <can't>." in text
    assert "✗ no" not in text


@pytest.mark.parametrize("full", [True, False])
def test_a_hosts_own_cable_is_shown_if_one_was_full(full: bool) -> None:
    result = load("dumbbell")
    host = HostResult(
        host="h1",
        switch="s1",
        capacity_bps=10e6,
        sent_bps=10e6,
        received_bps=9.9e6,
        dropped_datagrams=711,
        full=full,
    )
    text = Page(render_report(replace(result, hosts=(host,)), extra(result))).text
    assert ("Hosts' own cables" in text) is full
    assert ("711" in text) is full
