"""What a result says of how it came to be."""

import os
import subprocess
from typing import Any

import pytest

from fairslice import __version__
from fairslice.lab.trial import origin

SAID = {
    "ovs-vswitchd": "ovs-vswitchd (Open vSwitch) 3.1.0\nDPDK 22\n",
    "iperf3": "iperf 3.12 (cJSON 1.7.15)\nLinux\n",
}


def saying(monkeypatch: pytest.MonkeyPatch, said: dict[str, str]) -> None:
    def run(argv: tuple[str, ...], **_: Any) -> subprocess.CompletedProcess[str]:
        if argv[0] not in said:
            raise FileNotFoundError(argv[0])
        return subprocess.CompletedProcess(argv, 0, said[argv[0]], "")

    monkeypatch.setattr("fairslice.lab.trial.origin.subprocess.run", run)


def test_versions_are_those_of_the_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    saying(monkeypatch, SAID)
    found = origin.versions("ryu 4.34")
    assert (found.open_vswitch, found.iperf3) == ("3.1.0", "3.12")
    assert (found.fairslice, found.framework) == (__version__, "ryu 4.34")
    assert found.kernel == os.uname().release


@pytest.mark.parametrize("said", [{}, {"iperf3": "", "ovs-vswitchd": "\n"}])
def test_what_a_tool_does_not_tell_is_not_known(
    monkeypatch: pytest.MonkeyPatch, said: dict[str, str]
) -> None:
    saying(monkeypatch, said)
    found = origin.versions("ryu 4.34")
    assert (found.open_vswitch, found.iperf3) == (None, None)


@pytest.mark.parametrize(
    ("text", "processor"),
    [
        ("processor\t: 0\nmodel name\t: A Model @ 2 GHz\nprocessor\t: 1\n", "A Model @ 2 GHz"),
        ("processor\t: 0\nBogoMIPS\t: 50.00\n", os.uname().machine),
        ("model name\t: UML\nhost\t\t: Linux a-name 6.1\n", "UML"),
        ("host\t\t: Linux a-name 6.1\n", os.uname().machine),
        ("", os.uname().machine),
    ],
)
def test_the_processor_is_the_kernel_s_word_or_the_architecture(text: str, processor: str) -> None:
    found = origin.machine(lambda: text)
    assert found.processor == processor
    assert found.processors >= 1
