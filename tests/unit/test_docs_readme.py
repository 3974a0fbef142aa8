"""The Python of the README runs, and prints what stands beside it."""

import re
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"


def test_the_library_s_example(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = re.findall(
        r"^```python\n(.*?)^```$", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    exec(compile(code, "README.md", "exec"), {})
    said = re.findall(r"print\(.*?\)\s+# (\[.*?\])", code)
    assert len(said) == 2
    assert capsys.readouterr().out.splitlines() == said
