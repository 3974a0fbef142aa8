"""Commands as a shell runs them, within the process."""

import pytest

from fairslice import cli


def run_command(monkeypatch: pytest.MonkeyPatch, *arguments: object, columns: int | None = 200) -> int:
    """Run ``fairslice ARGUMENTS`` with so many columns (None: as a pipe has it); its exit status."""
    monkeypatch.setattr("sys.argv", ["fairslice", *map(str, arguments)])
    if columns is None:
        monkeypatch.delenv("COLUMNS", raising=False)
    else:
        monkeypatch.setenv("COLUMNS", str(columns))
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert isinstance(ended.value.code, int)
    return ended.value.code
