"""The command line: one module a command, imported when it is called."""

import importlib
import os
import sys

import click

from fairslice import __version__
from fairslice.errors import EXIT_INTERNAL, FairsliceError

COMMANDS = (
    "allocate",
    "apply",
    "agent",
    "check",
    "controller",
    "doctor",
    "explain",
    "measure",
    "plan",
    "run",
    "status",
    "topology",
    "vm",
)


class _LazyGroup(click.Group):
    """Finds a command in ``fairslice.cli.NAME`` as its ``command``."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"fairslice.cli.{cmd_name}").command
        return command


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="fairslice")
def cli() -> None:
    """Divide a network fairly among slices and prove it on real switches."""


def _missing_extra(error: Exception) -> FairsliceError | None:
    """What is to be said where a command's extra is not installed; None if that is not what happened."""
    if not isinstance(error, ImportError):
        return None
    from fairslice.cli.extras import refusal_of

    return refusal_of(error, " ".join(["fairslice", *sys.argv[1:2]]))


def main() -> None:
    """Run the command line; every error ends as a message and an exit status."""
    try:
        status = cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    except click.Abort:
        status = 130
    except FairsliceError as error:
        click.echo(str(error), err=True)
        status = error.exit_status
    except Exception as error:
        refusal = _missing_extra(error)
        if refusal is None and "FAIRSLICE_DEBUG" in os.environ:
            raise
        if refusal is None:
            click.echo(
                f"fairslice: internal error: {error!r}; FAIRSLICE_DEBUG=1 shows the traceback", err=True
            )
            status = EXIT_INTERNAL
        else:
            click.echo(str(refusal), err=True)
            status = refusal.exit_status
    sys.exit(status if isinstance(status, int) else 0)
