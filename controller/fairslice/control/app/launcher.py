"""Start the framework with fairslice in it; no command of its own can."""

import gc
import logging
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from fairslice.alloc.engine import never_compile
from fairslice.control.app.core import Core
from fairslice.control.app.shell import FairsliceApp
from fairslice.control.openflow.framework import PACKAGE, begin, hub, part
from fairslice.control.ovsdb.database import OvsDatabase
from fairslice.control.rest.server import RestServer, bind
from fairslice.errors import MachineError, os_reason
from fairslice.garbage import Searches, leave_out_what_is_there, search
from fairslice.linux.signals import stop_signals
from fairslice.policy.model import Policy
from fairslice.topology.network import Network

# Registers --observe-links.
part("topology.switches")
log = logging.getLogger(__name__)

APPS = (f"{PACKAGE}.topology.switches", "fairslice.control.app.shell")
"""Dotted names: a file's path would load a second copy of the module."""


@dataclass(frozen=True, slots=True)
class Listen:
    """Where the controller listens: OpenFlow on all addresses, REST on one."""

    openflow_port: int = 6653
    rest_host: str = "127.0.0.1"
    rest_port: int = 8080


def serve(
    expected: Network | None, policy: Policy | None, ovsdb: str | None, listen: Listen, *, agent: bool = False
) -> int:
    """Run the controller until it is interrupted or terminated; the signal that did it.

    Args:
        expected: the network file's network.
        policy: the policy to begin with.
        ovsdb: target of the switches' database, such as ``unix:/var/run/openvswitch/db.sock``; None for none.
        listen: addresses.
        agent: run the switch agent beside the controller, as a process of its own.

    Raises:
        InputError: an address is none of this machine's.
        MachineError: an address is taken, or may not be used.
    """
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    for chatty in (PACKAGE, f"{PACKAGE}.lib.hub"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    _share_the_processor()
    # Compiling would keep switches waiting for longer than they wait for an answer.
    never_compile()
    bind("OpenFlow", "", listen.openflow_port).close()
    rest_socket = bind("REST", listen.rest_host, listen.rest_port)
    FairsliceApp.core = Core(expected, policy, queues=ovsdb is not None)
    FairsliceApp.database = None if ovsdb is None else OvsDatabase(ovsdb)
    _configure(listen)
    manager = part("base.app_manager").AppManager.get_instance()
    begin(lambda: _begin(manager))
    rest = RestServer(manager.applications[FairsliceApp.__name__].service, rest_socket)
    companion = None
    received: list[int] = []
    # Raised in a handler, an exception would end whatever greenlet runs, and be lost.
    with stop_signals(lambda number, _: received.append(number)):
        try:
            # Who gets an answer may send a signal.
            rest.start()
            companion = _start_agent(ovsdb) if agent and ovsdb is not None else None
            while not received:
                hub.sleep(0.1)
                if companion is not None and companion.poll() is not None:
                    log.error(
                        "the switch agent ended with status %d; queues may not be used", companion.returncode
                    )
                    companion = None
        finally:
            rest.stop()
            if companion is not None:
                companion.terminate()
                companion.wait()
    # The framework's own shutdown waits seconds for its LLDP threads; what is installed stays installed.
    return received[0]


def _begin(manager: Any) -> None:
    manager.load_apps(list(APPS))
    manager.instantiate_apps(**manager.create_contexts())


SWITCH_INTERVAL_S = 0.0005
"""How long a thread that computes goes on while others wait (sys.setswitchinterval)."""


def _share_the_processor() -> None:
    """Let no thread that computes keep the framework's waiting, which answers the switches."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.collect()
    leave_out_what_is_there()
    search(Searches.SMALL)


def _start_agent(ovsdb: str) -> "subprocess.Popen[bytes]":
    """The agent's errors go to the controller's log; it ends with the controller, however that ends."""
    agent = [sys.executable, "-m", "fairslice", "agent", "--ovsdb", ovsdb]
    try:
        return subprocess.Popen(["setpriv", "--pdeathsig", "TERM", *agent])
    except OSError as error:
        raise MachineError(
            f"the switch agent can't be started: setpriv: {os_reason(error)}; --no-agent does without it"
        ) from error


def _configure(listen: Listen) -> None:
    """The framework takes its settings from a command line only."""
    part("cfg").CONF(
        args=["--observe-links", "--ofp-tcp-listen-port", str(listen.openflow_port)],
        project="fairslice",
        default_config_files=[],
        default_config_dirs=[],
    )
