"""Options that several commands share."""

import contextlib
from collections.abc import Callable
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


def controller_url(command: Command) -> Command:
    """``--controller URL`` as ``url``."""
    return click.option(
        "--controller",
        "url",
        default="http://127.0.0.1:8080",
        show_default=True,
        metavar="URL",
        help="REST address of the controller.",
    )(command)


def bandwidth(command: Command) -> Command:
    """``--bandwidth RATE`` as ``bandwidth_bps``: for every command that takes a topology."""
    return click.option(
        "--bandwidth",
        "bandwidth_bps",
        metavar="RATE",
        callback=_bandwidth_bps,
        help="Capacity of cables that have none in the topology: 100 (Mbit/s), or '1 Gbit/s'.",
    )(command)


def _bandwidth_bps(_context: click.Context, _option: click.Parameter, text: str | None) -> float | None:
    """A rate; a number without a unit is in Mbit/s, as Mininet's ``bw``."""
    if text is None:
        return None
    from fairslice.topology.check import MAX_CAPACITY_BPS
    from fairslice.units import format_rate, parse_rate

    with contextlib.suppress(ValueError):
        text = f"{float(text)!r} Mbit/s"
    try:
        rate_bps = parse_rate(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    if not 0 < rate_bps <= MAX_CAPACITY_BPS:
        raise click.BadParameter(f"{text} is not above 0 and up to {format_rate(MAX_CAPACITY_BPS)}")
    return rate_bps


def json_output(command: Command) -> Command:
    """``--json`` as ``as_json``."""
    return click.option(
        "--json", "as_json", is_flag=True, help="Print machine-readable output and nothing else."
    )(command)
