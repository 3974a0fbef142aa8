"""The text of a problem file, or of standard input."""

import click

from fairslice.errors import InputError, os_reason

_MAX_CHARACTERS = 256 << 20
"""Far more than any problem needs; a device such as /dev/zero has no end."""


def read_problem_text(file: str) -> tuple[str, str]:
    """The text of a file (- is standard input), and the file's name for messages.

    Raises:
        InputError: it can't be read, is not UTF-8, or is too long.
    """
    name = "<stdin>" if file == "-" else file
    try:
        with click.open_file(file, encoding="utf-8-sig") as stream:
            text = stream.read(_MAX_CHARACTERS + 1)
    except OSError as error:
        raise InputError(f"{name}: can't be read: {os_reason(error)}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{name}: is not UTF-8: {error.reason} at byte {error.start}") from None
    if len(text) > _MAX_CHARACTERS:
        raise InputError(f"{name} has more than {_MAX_CHARACTERS >> 20} MiB; expected a file of at most that")
    return text, name
