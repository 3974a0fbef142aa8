"""A file that a picture is drawn into: checked before the work, written whole or not at all."""

from collections.abc import Sequence
from pathlib import Path

from fairslice.errors import InputError, os_reason, writing


def check_picture(file: Path, option: str, endings: Sequence[str]) -> None:
    """Refuse a picture that can't be drawn, before the work.

    Args:
        file: where it shall be.
        option: what asks for it, for messages.
        endings: what its name may end in.

    Raises:
        InputError: the file's name has another ending, or its directory is not there.
        MachineError: the extra that draws is not installed.
    """
    from fairslice.cli.extras import require

    require("report", option)
    if file.suffix.lower() not in endings:
        raise InputError(f"{file}: expected a picture's name that ends in {' or '.join(endings)}")
    try:
        there = file.absolute().parent.is_dir()
    except OSError as error:
        raise InputError(f"{file}: can't be written: {os_reason(error)}") from None
    if not there:
        raise InputError(f"{file}: {file.absolute().parent} is not a directory; expected one that is there")


def write_picture(file: Path, data: bytes) -> None:
    """Put a picture into a file.

    Raises:
        InputError: it can't be written there; no part of it stays.
        MachineError: the machine can't write now, such as to a full disk; no part of it stays.
    """
    from fairslice.report.page import write_whole

    with writing(file):
        if file.exists() and not file.is_file():  # A device or a pipe stays what it is.
            file.write_bytes(data)
        else:
            write_whole(file, data)


def quiet_matplotlib() -> None:
    """Keep its warnings away, such as that it can't keep its cache of fonts under a home that is not ours."""
    import logging

    logging.getLogger("matplotlib").setLevel(logging.ERROR)
