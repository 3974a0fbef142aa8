"""Options that several commands share."""

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


def json_output(command: Command) -> Command:
    """``--json`` as ``as_json``."""
    return click.option(
        "--json", "as_json", is_flag=True, help="Print machine-readable output and nothing else."
    )(command)
