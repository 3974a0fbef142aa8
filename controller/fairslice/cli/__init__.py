"""The command line: one module a command, imported when it is called."""

import errno
import gc
import importlib
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

import click

from fairslice.errors import (
    EXIT_INTERNAL,
    EXIT_MACHINE,
    FairsliceError,
    Fault,
    InfeasibleError,
    InputError,
    os_reason,
)
from fairslice.garbage import Searches, leave_out_what_is_there, search

EXIT_BROKEN_PIPE = 128 + signal.SIGPIPE
EXIT_INTERRUPTED = 128 + signal.SIGINT
_NOT_WRITTEN = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)

COMMANDS = (
    "allocate",
    "apply",
    "agent",
    "check",
    "controller",
    "demo",
    "doctor",
    "explain",
    "measure",
    "model",
    "plan",
    "run",
    "status",
    "topology",
    "vm",
)


INNER = ("job",)
"""What a command starts, and nobody types."""
ENDS_WITH_ITS_OUTPUT = ("allocate", "check", "explain", "plan", "topology")
"""What these make stays to their end, so that no circles need be looked for."""


class _StoppedError(BaseException):
    """A signal asks to end; what was begun is undone on the way out."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_status = 128 + number


@contextmanager
def _reader_heeded() -> Iterator[None]:
    """Where nobody reads the output any more, end; click would with status 1, and so does rich."""
    try:
        yield
    except BrokenPipeError:
        raise _StoppedError(signal.SIGPIPE) from None
    except SystemExit as ended:
        if not isinstance(ended.__context__, BrokenPipeError):
            raise
        raise _StoppedError(signal.SIGPIPE) from None


class _LazyGroup(click.Group):
    """Finds a command in ``fairslice.cli.NAME`` as its ``command``."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in (*COMMANDS, *INNER):
            return None
        if cmd_name in ENDS_WITH_ITS_OUTPUT:
            search(Searches.NEVER)
        command: click.Command = importlib.import_module(f"fairslice.cli.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        # click compares with commands that it has, and these are not imported yet.
        if args and args[0] not in (*COMMANDS, *INNER):
            from fairslice.files.words import did_you_mean

            if meant := did_you_mean(args[0], COMMANDS):
                raise click.UsageError(f"No such command {args[0]!r}{meant}", ctx)
        return super().resolve_command(ctx, args)

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        with _reader_heeded():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        with _reader_heeded():
            return super().invoke(ctx)


def _show_version(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from fairslice.cli.version import version_text

        click.echo(version_text())
        ctx.exit()


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="`fairslice COMMAND --help` shows examples; docs/commands.md has more, and tells how a shell"
    " completes commands and options.\n\nExit status: 0 done; 2 bad input; 3 guarantees that do not fit; 4"
    " not as it should be; 5 can't tell; 6 the machine, a tool or a switch did not do its part; 70 a fault of"
    " fairslice; 128+n ended by signal n. docs/exit-status.md has more.",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version, and what fairslice finds on this machine.",
)
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
    thresholds = gc.get_threshold()
    search(Searches.SELDOM)
    _open_what_is_closed()
    try:
        with _stopped_by_signals():
            status = _status()
            # What is still in the buffer is output, too: it can fail as the rest can.
            sys.stdout.flush()
    except BrokenPipeError:
        status = EXIT_BROKEN_PIPE
    except OSError as error:
        _say(_os_sentence(error))
        status = EXIT_MACHINE
    except _StoppedError as stopped:
        status = stopped.exit_status
    except KeyboardInterrupt:
        status = EXIT_INTERRUPTED
    if status == EXIT_BROKEN_PIPE:
        _forget_output()
    # What is left ends with the process: Python need not look through it for circles once more.
    leave_out_what_is_there()
    gc.set_threshold(*thresholds)
    sys.exit(status)


def _open_what_is_closed() -> None:
    """Stand in for the standard streams that the caller closed (``>&-``).

    So no file that is opened later takes their descriptors, and reading or writing them fails as such:
    Python would write to nowhere. What goes to a closed standard error does go nowhere.
    """
    for name, refusing, mode in (
        ("stdin", os.O_WRONLY, "r"),
        ("stdout", os.O_RDONLY, "w"),
        ("stderr", os.O_WRONLY, "w"),
    ):
        if getattr(sys, name) is None:
            # The lowest number that is free: its own, since those before it are open by now.
            descriptor = os.open(os.devnull, refusing)
            os.set_inheritable(descriptor, True)
            setattr(sys, name, os.fdopen(descriptor, mode, encoding="utf-8", closefd=False))


def _status() -> int:
    """Run the command; OSError and the signals are left to the caller."""
    try:
        _require_text(sys.argv[1:])
        # The same name however it is called, for the completion of a shell, too.
        status = cli.main(prog_name="fairslice", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    except click.Abort:
        status = EXIT_INTERRUPTED
    except FairsliceError as error:
        _say("\n".join(error.lines) if isinstance(error, InfeasibleError) else str(error))
        status = error.exit_status
    except OSError:
        raise  # main() makes a sentence of it.
    except UnicodeEncodeError as error:
        if "FAIRSLICE_DEBUG" in os.environ:
            raise
        shown = error.object[error.start : error.end].encode("unicode_escape").decode()
        _say(
            f"the output's encoding, {error.encoding}, has no {shown}; expected UTF-8, as"
            " PYTHONIOENCODING=utf-8 sets it"
        )
        status = EXIT_MACHINE
    except Exception as error:
        refusal = _missing_extra(error)
        if refusal is None and "FAIRSLICE_DEBUG" in os.environ:
            raise
        if refusal is None:
            _say(f"fairslice: internal error: {error!r}; FAIRSLICE_DEBUG=1 shows the traceback")
            status = EXIT_INTERNAL
        else:
            _say(str(refusal))
            status = refusal.exit_status
    return status if isinstance(status, int) else 0


def _require_text(arguments: Sequence[str]) -> None:
    """Names go into files of UTF-8 and over REST; what `vm` hands on to its command does not.

    Raises:
        InputError: an argument is not UTF-8.
    """
    if arguments[:1] == ["vm"]:
        return
    faults = [
        Fault(f"argument {number} is {os.fsencode(text)!r}, which is not UTF-8; expected text in UTF-8")
        for number, text in enumerate(arguments, start=1)
        if any("\udc80" <= character <= "\udcff" for character in text)
    ]
    if faults:
        raise InputError(faults)


def _say(text: str) -> None:
    with suppress(OSError):  # Standard error can't be written: there is nowhere to say it.
        click.echo(text, err=True)


def _os_sentence(error: OSError) -> str:
    """On what the machine failed, and why: the files that the error names, or standard output."""
    names = [str(name) for name in (error.filename, error.filename2) if name is not None]
    if not names and error.errno in _NOT_WRITTEN:
        # Files of fairslice's own are written with their names in the error; this is what is printed.
        names = ["standard output: can't be written"]
        _forget_output()
    return f"{' and '.join(names) or 'this machine can not do it'}: {os_reason(error)}"


def _forget_output() -> None:
    """Let Python's own end write what is left to nowhere: it would complain once more."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP end a command as Ctrl-C does, unless the caller ignores them (nohup)."""

    def stop(number: int, _frame: FrameType | None) -> None:
        raise _StoppedError(number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heeded = [n for n in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) == signal.SIG_DFL]
    for number in heeded:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number in heeded:
            signal.signal(number, signal.SIG_DFL)
