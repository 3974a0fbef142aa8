"""report.html: a run on one page that needs nothing else, neither files nor network."""

import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

from fairslice.errors import writing
from fairslice.measure.results import LinkResult, RunResult
from fairslice.report import words
from fairslice.report.drawing import BAD, GRID, INK, MUTED, PANEL, SURFACE, slice_colours
from fairslice.report.layout import Position
from fairslice.report.pictures import Series, bars_svg, throughput_svg
from fairslice.report.topology_picture import topology_svg
from fairslice.units import format_duration, format_rate

TEMPLATE = "page.html.j2"
_THEMED = {INK: "ink", MUTED: "muted", GRID: "grid", SURFACE: "surface", PANEL: "panel", BAD: "bad"}
_STYLE = re.compile(r'style="[^"]*"')
_IDLE = 0.005
_SHOWN_LINKS = 12
"""Links of the page's table at first sight; the others unfold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportInput:
    """What the page shows besides the result.

    ``switches`` and ``hosts`` are names, ``positions`` theirs (None: computed). ``environment`` holds what
    the run ran on, such as versions, in words. ``command`` is what was typed, if known.
    """

    switches: tuple[str, ...]
    hosts: tuple[str, ...]
    series: tuple[Series, ...] = ()
    policy_text: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    command: str = ""
    positions: Mapping[str, Position] | None = None


def render_report(result: RunResult, extra: ReportInput) -> str:
    """The page's HTML: the same for the same input; all text is escaped.

    Raises:
        ValueError: a link or a series that does not belong to the result's nodes and flows.
    """
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(
        resources.files("fairslice.report").joinpath(TEMPLATE).read_text(encoding="utf-8")
    )
    loaded = sorted((link for link in result.links if _use(link) >= _IDLE), key=_use, reverse=True)
    return template.render(
        result=result,
        extra=extra,
        words=words,
        sentence=words.verdict_sentence(result),
        scale=words.scale_for(rate for f in result.flows for rate in (f.allocated_bps, f.wire_bps)),
        link_scale=words.scale_for(link.capacity_bps for link in loaded),
        loaded=loaded,
        shown=_SHOWN_LINKS,
        use=_use,
        colours=slice_colours([f.slice for f in result.flows] + [f.slice for f in result.not_measured]),
        format_rate=format_rate,
        format_duration=format_duration,
        # Our own pictures; matplotlib has escaped the names in them.
        topology=Markup(_themed(topology_svg(extra.switches, extra.hosts, result.links, extra.positions))),
        bars=Markup(_themed(bars_svg(result))),
        throughput=Markup(_themed(throughput_svg(result, extra.series))) if extra.series else None,
    )


def write_report(result: RunResult, extra: ReportInput, path: Path) -> None:
    """Write the page; a reader sees the old file or the whole new one, never a part.

    Raises:
        InputError: the file can't be written there.
        MachineError: the machine can't write now, such as to a full disk.
    """
    page = render_report(result, extra)
    with writing(path):
        write_whole(path, page)


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file; a reader sees the old one or the whole new one, and no part stays after a failure."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
        # mkstemp lets only the owner read.
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _use(link: LinkResult) -> float:
    return link.allocated_bps / link.capacity_bps if link.capacity_bps > 0 else 0.0


def _themed(svg: str) -> str:
    """The picture with the page's colours in place of those that stand for them."""

    def variable(style: re.Match[str]) -> str:
        text = style[0]
        for colour, name in _THEMED.items():
            text = text.replace(colour, f"var(--{name})")
        return text

    return _STYLE.sub(variable, svg)
