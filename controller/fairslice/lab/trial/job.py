"""What to run, read once: a job is handed whole to whoever carries it out, also to other processes.

A topology is a program and a policy is a file that somebody edits: read twice, they may be two.
"""

import json
from dataclasses import asdict, dataclass
from typing import Any

from fairslice.lab.emulation.openvswitch import Datapath
from fairslice.lab.traffic.plan import Sender
from fairslice.policy import parse_policy
from fairslice.policy.model import Policy
from fairslice.topology.network import Network
from fairslice.topology.nodelink import from_json as network_from_json
from fairslice.topology.nodelink import to_json as network_to_json


@dataclass(frozen=True, slots=True)
class Job:
    """A policy on a network, for how long, with which senders.

    ``topology`` is what the user wrote for the network. The window is ``duration_s``, and as much longer as
    it takes to tell the tolerance, but no longer than ``max_duration_s``; all times are in seconds.
    """

    network: Network
    topology: str
    policy: Policy
    duration_s: float
    max_duration_s: float
    warmup_s: float
    tolerance: float
    """A fraction of each allocation."""
    created: str
    """When, in ISO 8601."""
    senders: tuple[Sender, ...] = ()
    congestion_control: str | None = None
    datapath: Datapath = "user"
    notes: tuple[str, ...] = ()
    """What was known before the run that its reader should know."""
    command: str = ""
    """What was typed."""


def to_json(job: Job) -> str:
    """A job as one JSON document."""
    document: dict[str, Any] = {
        "network": network_to_json(job.network),
        "policy": {"file": job.policy.file, "text": job.policy.text},
        "senders": [asdict(sender) for sender in job.senders],
    }
    plain = (
        *("topology", "duration_s", "max_duration_s", "warmup_s", "tolerance", "created"),
        *("congestion_control", "datapath", "notes", "command"),
    )
    # Names of files may be no UTF-8: JSON's escapes carry what stands for their bytes (PEP 383).
    return json.dumps(document | {key: getattr(job, key) for key in plain}, ensure_ascii=True)


def from_json(text: str) -> Job:
    """The job of :func:`to_json`; ``from_json(to_json(job)) == job``.

    It is this program's own document: another document is not told in words.
    """
    document = json.loads(text)
    return Job(
        **document
        | {
            "network": network_from_json(document["network"], document["topology"]),
            "policy": parse_policy(**document["policy"]),
            "senders": tuple(Sender(**sender) for sender in document["senders"]),
            "notes": tuple(document["notes"]),
        }
    )
