"""Checksum and segmentation offloads of interfaces, by ethtool(8), in any network namespace."""

import re

from fairslice.linux.command import run_command

HARMFUL = ("tx-checksumming", "tcp-segmentation-offload")
"""A host that leaves these to its network card hands the userspace datapath frames without a checksum and
segments that fit no frame. No card ever completes them, and TCP hangs. (Generic segmentation is done before
frames leave the host.)"""

_TIMEOUT_S = 30.0
_FEATURE = re.compile(r"([a-z-]+): (on|off)\b")


def parse_features(text: str) -> dict[str, bool]:
    """The features at the margin of ``ethtool -k``, as in ``tx-checksumming: on``."""
    found = (_FEATURE.match(line) for line in text.splitlines())
    return {match[1]: match[2] == "on" for match in found if match is not None}


def in_namespace_of(pid: int | None, argv: list[str]) -> list[str]:
    """The command that runs ``argv`` in a process's network namespace; None: in this one."""
    return argv if pid is None else ["nsenter", "-t", str(pid), "-n", *argv]


def offloads_on(interface: str, pid: int | None = None) -> tuple[str, ...]:
    """Those of :data:`HARMFUL` that are on, of an interface in the network namespace of a process.

    Raises:
        MachineError: ethtool or nsenter is missing, or there is no such interface.
    """
    argv = in_namespace_of(pid, ["ethtool", "-k", interface])
    features = parse_features(run_command(argv, timeout_s=_TIMEOUT_S))
    return tuple(name for name in HARMFUL if features.get(name, False))
