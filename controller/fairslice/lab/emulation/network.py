"""A Network brought to life with Mininet on Open vSwitch, inside the emulation's namespaces."""

import contextlib
import math
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from fairslice.control.ovsdb.rows import CAPACITY_KEY
from fairslice.errors import MachineError
from fairslice.lab.emulation.hosts import (
    OFFLOADS_OFF,
    PREFIX_LENGTH,
    HostCounters,
    Protocol,
    Socket,
    check_emulable,
    host_script,
    parse_host_counters,
    parse_sockets,
)
from fairslice.lab.emulation.openvswitch import RUN_DIRECTORY, Datapath, both_run, kernel_module_loaded
from fairslice.lab.emulation.wires import Wires, cables, check_wires, is_wire
from fairslice.linux.command import run_command
from fairslice.linux.congestion import require_congestion_control
from fairslice.linux.mininet_package import mininet_cure
from fairslice.topology.network import Link, Network

try:
    from mininet.link import Intf
    from mininet.link import Link as MininetLink
    from mininet.log import setLogLevel
    from mininet.net import Mininet
    from mininet.node import Host as MininetHost
    from mininet.node import OVSSwitch, RemoteController
except ImportError as error:
    raise MachineError(f"Mininet can't be imported ({error}); {mininet_cure()}") from error

_COMMAND_TIMEOUT_S = 240


class _Interface(Intf):  # type: ignore[misc]
    """An interface that is not configured one command at a time: scripts do it for all at once."""

    def config(self, **_params: Any) -> dict[str, Any]:
        return {}


class _Wire(MininetLink):  # type: ignore[misc]
    """A cable whose interfaces :class:`fairslice.lab.emulation.wires.Wires` makes."""

    def makeIntfPair(self, *_args: Any, **_kwargs: Any) -> None:  # noqa: N802
        pass


class _Switch(OVSSwitch):  # type: ignore[misc]
    """An OVSSwitch whose ports say what their links carry, started with all others in one transaction."""

    def __init__(self, name: str, *, capacities: dict[int, float], **params: Any) -> None:
        super().__init__(name, **params)
        self.capacities = capacities

    def intfOpts(self, intf: Any) -> str:  # noqa: N802
        options = str(super().intfOpts(intf))
        capacity_bps = self.capacities[self.ports[intf]]
        if math.isfinite(capacity_bps):
            options += f" external_ids:{CAPACITY_KEY}={round(capacity_bps)}"
        return options

    @classmethod
    def batchStartup(cls, switches: Sequence[Any], run: Any = None) -> Sequence[Any]:  # noqa: N802, ARG003
        arguments = [word for switch in switches for text in switch.commands for word in shlex.split(text)]
        _run(["ovs-vsctl", f"--timeout={_COMMAND_TIMEOUT_S - 1}", *arguments])
        for switch in switches:
            switch.commands = []
            switch.batch = False
        return switches


class _Controller(RemoteController):  # type: ignore[misc]
    """A controller that may come later: Mininet must not probe for it, which needs telnet."""

    def checkListening(self) -> None:  # noqa: N802
        pass


class EmulatedNetwork:
    """A Network of veth pairs, hosts in network namespaces and Open vSwitch bridges; a context manager.

    Needs :func:`fairslice.lab.emulation.isolation.prepare_inside` and a running
    :class:`fairslice.lab.emulation.openvswitch.OpenVSwitch`.

    Names, datapath ids, port numbers, MAC and IP addresses are the Network's. Switch ports have no queue of
    their own yet: their capacity stands in external_ids:fairslice-capacity-bps of their Interface. What a
    host sends is limited to its link's capacity, behind a queue of 50 ms. Cables with a delay or a loss are
    built by :class:`fairslice.lab.emulation.wires.Wires`.

    Args:
        network: what to build.
        datapath: "user" needs no kernel module; "kernel" needs openvswitch.
        controller_port: where switches look for their controller, on 127.0.0.1; None: no controller, every
            switch learns addresses by itself (only for networks without loops).
        congestion_control: what the hosts' TCP uses, whatever a socket asks for (default: the kernel's
            choice, and the socket's).
    """

    def __init__(
        self,
        network: Network,
        *,
        datapath: Datapath = "user",
        controller_port: int | None = 6653,
        congestion_control: str | None = None,
    ) -> None:
        self.network = network
        self.datapath = datapath
        self.controller_port = controller_port
        self.congestion_control = congestion_control
        self._mininet: Any = None
        self._wires = Wires(network)
        self._processes: list[subprocess.Popen[str]] = []

    def start(self) -> None:
        """Build everything; when it returns, frames can flow.

        Raises:
            InputError: a name, address or capacity that can't be emulated, or an unknown congestion control.
            MachineError: a tool is missing or refused its work, or the kernel has no delay and loss of links.
        """
        check_emulable(self.network)
        check_wires(self.network)
        if self.congestion_control is not None:
            require_congestion_control(self.congestion_control)
        if self.datapath == "kernel" and not kernel_module_loaded():
            raise MachineError(
                "the kernel datapath needs the kernel module openvswitch, which is not loaded; "
                "run modprobe openvswitch, or choose the userspace datapath"
            )
        if not RUN_DIRECTORY.exists():
            raise MachineError(f"no Open vSwitch runs in {RUN_DIRECTORY}; start OpenVSwitch first")
        setLogLevel("error")
        # Mininet would raise limits of the whole machine otherwise.
        Mininet.inited = True
        try:
            self._build()
            self._wires.start(self.pid)
            self._set_up_switch_ports()
            self._set_up_hosts()
            self._wires.watch()
            self._mininet.start()
        except SystemExit as exit_:
            self.stop()
            raise MachineError("Mininet gave up; its reason stands above") from exit_
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End every process started by :meth:`popen`, and take hosts, links and bridges away."""
        for process in self._processes:
            if process.poll() is None:
                process.kill()
                process.wait()
        self._processes.clear()
        mininet, self._mininet = self._mininet, None
        if mininet is None:
            return
        bridges = [word for name in self.network.switches for word in ("--", "--if-exists", "del-br", name)]
        links = "".join(f"link del dev {end}\n" for end in self._switch_interfaces())
        with contextlib.suppress(MachineError):
            if both_run():
                _run(["ovs-vsctl", f"--timeout={_COMMAND_TIMEOUT_S - 1}", *bridges])
        self._wires.stop()
        with contextlib.suppress(MachineError):
            # Of a pair, the second end goes with the first.
            _run(["ip", "-force", "-batch", "-"], links)
        for node in (*mininet.controllers, *mininet.switches, *mininet.hosts):
            node.terminate()

    def pid(self, node: str) -> int:
        """The process that holds a node's namespaces."""
        return int(self._mininet[node].pid)

    def popen(
        self,
        host: str,
        argv: Sequence[str],
        *,
        stdout: int | IO[str] = subprocess.PIPE,
        stderr: int | IO[str] = subprocess.PIPE,
    ) -> subprocess.Popen[str]:
        """Start a command in a host's network namespace, without a shell; :meth:`stop` ends it at the latest.

        Raises:
            MachineError: the command is not there.
        """
        if shutil.which(argv[0]) is None:
            raise MachineError(f"{argv[0]} not found; install the package that provides it")
        process = subprocess.Popen(
            ["mnexec", "-a", str(self.pid(host)), *argv],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            text=True,
        )
        self._processes.append(process)
        return process

    def is_listening(self, host: str, port: int, protocol: Protocol = "tcp") -> bool:
        """Whether a socket of ``host`` waits at ``port``, by the kernel's own table."""
        return any(s.local_port == port and s.is_listening for s in self._sockets(host, protocol))

    def connections(self, host: str, port: int, protocol: Protocol = "tcp") -> int:
        """How many connected sockets of ``host`` have ``port`` as their own."""
        return sum(s.local_port == port and s.is_connected for s in self._sockets(host, protocol))

    def unread_bytes(self, host: str, port: int) -> int:
        """What has come to ``host`` over TCP from another host's ``port`` and was not read."""
        return sum(s.unread_bytes for s in self._sockets(host, "tcp") if s.remote_port == port)

    def _sockets(self, host: str, protocol: Protocol) -> list[Socket]:
        found: list[Socket] = []
        for table in (protocol, f"{protocol}6"):
            with contextlib.suppress(FileNotFoundError):
                text = Path(f"/proc/{self.pid(host)}/net/{table}").read_text()
                found.extend(parse_sockets(text, protocol))
        return found

    def host_counters(self, host: str) -> HostCounters:
        """What the host's interface has sent and dropped so far."""
        link = self.network.links[host, self.network.hosts[host].switch]
        net = Path(f"/proc/{self.pid(host)}/net")
        return parse_host_counters((net / "dev").read_text(), (net / "snmp").read_text(), link.interface)

    def _build(self) -> None:
        network = self.network
        mininet = Mininet(topo=None, controller=None, intf=_Interface, build=False)
        self._mininet = mininet
        for host in network.hosts.values():
            mininet.addHost(host.name, cls=MininetHost, ip=None, mac=host.mac)
        for switch in network.switches.values():
            mininet.addSwitch(
                switch.name,
                cls=_Switch,
                capacities={
                    link.port_no: link.capacity_bps
                    for link in network.links.values()
                    if link.source == switch.name
                },
                dpid=f"{switch.dpid:016x}",
                datapath=self.datapath,
                protocols="OpenFlow13",
                failMode="standalone" if self.controller_port is None else "secure",
                batch=True,
            )
        if self.controller_port is not None:
            mininet.addController(
                _free_name("controller", network),
                controller=_Controller,
                ip="127.0.0.1",
                port=self.controller_port,
            )
        for there, back in cables(network):
            self._add_cable(there, back)
        # Scripts configure the hosts; Mininet would take ten commands for each.
        mininet.built = True

    def _add_cable(self, there: Link, back: Link) -> None:
        addresses = {
            f"addr{end}": self.network.hosts[node].mac
            for end, node in enumerate(there.key, start=1)
            if node in self.network.hosts
        }
        kind = _Wire if is_wire(there, back) else MininetLink
        names = {"intfName1": there.interface, "intfName2": back.interface}
        self._mininet.addLink(
            there.source, there.target, there.port_no, back.port_no, cls=kind, **names, **addresses
        )

    def _switch_interfaces(self) -> list[str]:
        return [
            link.interface for link in self.network.links.values() if link.source in self.network.switches
        ]

    def _set_up_switch_ports(self) -> None:
        no_ipv6 = Path("/proc/sys/net/ipv6/conf")
        lines = [f"echo 1 >{no_ipv6}/{family}/disable_ipv6" for family in ("all", "default")]
        if not no_ipv6.exists():
            lines = []
        for interface in self._switch_interfaces():
            lines += [f"ethtool -K {interface} {' '.join(OFFLOADS_OFF)}", f"ip link set dev {interface} up"]
        _run(["sh", "-e"], "\n".join(lines))

    def _set_up_hosts(self) -> None:
        started = []
        for host in self.network.hosts.values():
            link = self.network.links[host.name, host.switch]
            script = host_script(link, host.ip, self.congestion_control)
            started.append((host, self.popen(host.name, ["sh", "-e", "-c", script])))
            interface = self._mininet[host.name].intf()
            interface.ip, interface.prefixLen = host.ip, PREFIX_LENGTH
        for host, process in started:
            _, complaint = process.communicate(timeout=_COMMAND_TIMEOUT_S)
            if process.returncode != 0:
                raise MachineError(f"setting up host {host.name} failed: {complaint.strip()}")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _free_name(name: str, network: Network) -> str:
    while name in network.hosts or name in network.switches:
        name += "_"
    return name


def _run(argv: Sequence[str], text: str = "") -> None:
    run_command(argv, timeout_s=_COMMAND_TIMEOUT_S, stdin=text)
