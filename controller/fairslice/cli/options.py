"""Options that several commands share."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

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


def json_output(
    *,
    help: str = "Print machine-readable output and nothing else.",
    when: Callable[[dict[str, Any]], bool] = lambda _values: False,
) -> Callable[[Command], Command]:
    """``--json`` as ``as_json``; with it the command prints one document, with ``output.print_document``.

    Args:
        help: of the option.
        when: whether a command, by its parameters, prints a document without ``--json``.
    """

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def keeping(*args: Any, **values: Any) -> Any:
            if not (values["as_json"] or when(values)):
                return command(*args, **values)
            from fairslice.cli.output import kept_output

            with kept_output():
                return command(*args, **values)

        return click.option("--json", "as_json", is_flag=True, help=help)(cast(Command, keeping))

    return decorate
