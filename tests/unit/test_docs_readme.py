"""The Python of the README runs, and prints what stands beside it."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"


def test_the_library_s_examples(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    examples = re.findall(
        r"^```python\n(.*?)^```$", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    assert len(examples) == 2
    for code in examples:
        exec(compile(code, "README.md", "exec"), {})
        said = re.findall(r"^print\(.*?\)\s+# (\[.*?\])", code, re.MULTILINE)
        assert len(said) == 2
        assert capsys.readouterr().out.splitlines() == said
