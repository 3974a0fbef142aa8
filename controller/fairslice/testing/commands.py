"""Commands as a shell runs them, within the process."""

import pytest

from fairslice import cli


def run_command(monkeypatch: pytest.MonkeyPatch, *arguments: object, columns: int = 200) -> int:
    """Run ``fairslice ARGUMENTS`` in a terminal of so many columns; its exit status."""
    monkeypatch.setattr("sys.argv", ["fairslice", *map(str, arguments)])
    monkeypatch.setenv("COLUMNS", str(columns))
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert isinstance(ended.value.code, int)
    return ended.value.code
