"""OVSDB's JSON-RPC (RFC 7047) as it is spoken with a database, against a server of this file on a socket."""

import gc
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from fairslice.control.ovsdb.database import LOCK, OvsDatabase, OvsdbError, QosWatch
from fairslice.control.ovsdb.json_stream import StreamParser
from fairslice.control.ovsdb.live import NoAnswerError
from fairslice.control.ovsdb.plan import commit_operations
from fairslice.control.ovsdb.target import check_target
from fairslice.errors import InputError, MachineError
from fairslice.slicing.state.desired import PortQos, Queue

SOON_S = 60.0
NOTHING: list[Any] = ["set", []]
QUEUES = [f"00000000-0000-4000-8000-{number:012d}" for number in range(100, 103)]
BRIDGE, PORT, INTERFACE, ROOT = (f"00000000-0000-4000-8000-{number:012d}" for number in range(4))

Handler = Callable[["Server", socket.socket, list[dict[str, Any]]], Any]
"""Answers the operations of a transaction: a list of results; None sends nothing."""


def initial(next_cfg: int = 3, cur_cfg: int = 3) -> dict[str, dict[str, Any]]:
    """A bridge s1 with one port and no QoS."""
    return {
        "Open_vSwitch": {ROOT: {"next_cfg": next_cfg, "cur_cfg": cur_cfg}},
        "Bridge": {
            BRIDGE: {
                "name": "s1",
                "datapath_id": f"{1:016x}",
                "datapath_type": "netdev",
                "ports": ["uuid", PORT],
            }
        },
        "Port": {PORT: {"name": "s1-eth1", "qos": NOTHING, "interfaces": ["uuid", INTERFACE]}},
        "Interface": {
            INTERFACE: {
                "name": "s1-eth1",
                "type": "",
                "ofport": 1,
                "link_speed": NOTHING,
                "external_ids": ["map", []],
            }
        },
    }


class Server:
    """A server with the database Open_vSwitch; without ``databases`` as before Open vSwitch 2.9.

    ``databases`` are rows of the table Database of _Server: what it has, and whether it leads a cluster.
    """

    def __init__(
        self,
        path: Path,
        handler: Handler,
        tables: dict[str, dict[str, Any]],
        databases: list[dict[str, Any]] | None = None,
    ) -> None:
        self.databases = databases
        self.target = f"unix:{path}"
        self.handler = handler
        self.tables = tables
        self.monitored: dict[str, Any] = {}
        self.transactions: list[list[dict[str, Any]]] = []
        self.answered: list[dict[str, Any]] = []
        self.connections = 0
        self.locked = True
        self.peer: socket.socket | None = None
        self._monitor_id: Any = None
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                self.peer, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            with self.peer as peer, suppress(OSError):
                peer.settimeout(240)
                text, decoder = "", json.JSONDecoder()
                while chunk := peer.recv(65536):
                    text += chunk.decode()
                    # A message that goes on need not be looked at.
                    while text.endswith("}"):
                        try:
                            message, end = decoder.raw_decode(text)
                        except json.JSONDecodeError:
                            break
                        text = text[end:]
                        self._take(peer, message)

    def _take(self, peer: socket.socket, message: dict[str, Any]) -> None:
        match message.get("method"):
            case "get_schema" if self.databases is None:
                reply(peer, message, None, "unknown database")
            case "get_schema":
                columns = {"name": "string", "model": "string", "connected": "boolean", "leader": "boolean"}
                described: dict[str, Any] = {name: {"type": kind} for name, kind in columns.items()}
                for name, kind in {"schema": "string", "cid": "uuid", "index": "integer"}.items():
                    described[name] = {"type": {"key": kind, "min": 0, "max": 1}}
                tables = {"Database": {"columns": described}}
                reply(peer, message, {"name": "_Server", "version": "1.2.0", "tables": tables})
            case "monitor_cond":
                rows = {QUEUES[at]: {"initial": row} for at, row in enumerate(self.databases or ())}
                reply(peer, message, {"Database": rows})
            case "monitor_cond_since":
                data = {
                    table: {uuid: {"initial": row} for uuid, row in rows.items()}
                    for table, rows in self.tables.items()
                }
                reply(peer, message, [False, QUEUES[0], data])
            case "set_db_change_aware":
                reply(peer, message, {})
            case "monitor":
                self._monitor_id, self.monitored = message["params"][1:]
                reply(peer, message, updates({}, self.tables))
            case "lock":
                reply(peer, message, {"locked": self.locked})
            case "transact":
                _, *operations = message["params"]
                # The library's own: the lock's assertion, and a row that it fetches so that anything is sent.
                own = [operation for operation in operations if operation["op"] == "assert"]
                fetched = operations[len(own)]
                assert (fetched["op"], fetched["columns"]) == ("select", ["cur_cfg"])
                before = [
                    *({} for _ in own),
                    {"rows": [{"cur_cfg": self.tables["Open_vSwitch"][ROOT]["cur_cfg"]}]},
                ]
                rest = operations[len(before) :]
                if rest:
                    assert own == ([{"op": "assert", "lock": LOCK}] if len(rest) > 2 else [])
                    self.transactions.append(rest)
                results = self.handler(self, peer, rest)
                if isinstance(results, list):
                    results = [*before, *results]
                if results is not None:
                    reply(peer, message, results)
            case None:
                self.answered.append(message)

    def change(self, table: str, uuid: str, **values: Any) -> None:
        """Change a row, and tell of it."""
        before = self.tables.get(table, {})
        after = before | {uuid: {**before.get(uuid, {}), **values}}
        self.tables[table] = after
        self.tell(updates({table: before}, {table: after}))

    def tell(self, changes: dict[str, Any]) -> None:
        assert self.peer is not None
        self.send({"method": "update", "params": [self._monitor_id, changes], "id": None})

    def send(self, message: dict[str, Any]) -> None:
        assert self.peer is not None
        self.peer.sendall(json.dumps(message, ensure_ascii=False).encode())

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        if self.peer is not None:
            with suppress(OSError):
                self.peer.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        assert not self._thread.is_alive()


def updates(before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The table-updates (RFC 7047 §4.1.6) from some tables to others."""
    changes: dict[str, Any] = {}
    for table in {*before, *after}:
        old, new = before.get(table, {}), after.get(table, {})
        for uuid in {*old, *new}:
            if old.get(uuid) != new.get(uuid):
                row = {"old": old.get(uuid), "new": new.get(uuid)}
                changes.setdefault(table, {})[uuid] = {k: v for k, v in row.items() if v is not None}
    return changes


def reply(peer: socket.socket, request: dict[str, Any], result: Any, error: Any = None) -> None:
    peer.sendall(json.dumps({"id": request["id"], "result": result, "error": error}).encode())


def refuse_all(server: Server, peer: socket.socket, operations: list[dict[str, Any]]) -> Any:
    """Only reading."""
    assert operations == []
    return []


Serve = Callable[..., Server]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    servers: list[Server] = []

    def start(handler: Handler = refuse_all, **cfg: int) -> Server:
        servers.append(Server(tmp_path / "db.sock", handler, initial(**cfg)))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def eventually(check: Callable[[], bool]) -> None:
    started = time.monotonic()
    while not check():
        assert time.monotonic() - started < SOON_S
        time.sleep(0.005)


class TestStream:
    def test_messages_are_found_wherever_chunks_end(self) -> None:
        messages: list[Any] = [
            {"id": 1, "result": ["é→€", {}, 'a "{" \\', '\\"]}', "\\"]},
            {"}": [[{"[": "]"}]]},
            {},
            {"id": None, "method": "update", "params": [1.5, True, "}"]},
        ]
        texts = [json.dumps(message) for message in messages * 2]
        for data in ("\n ".join(texts) + "\n", "".join(texts)):
            self.check(data, messages * 2)

    def check(self, data: str, messages: list[Any]) -> None:
        for size in range(1, len(data) + 1):
            found, parser = [], StreamParser()
            for start in range(0, len(data), size):
                chunk = data[start : start + size]
                while chunk:
                    taken = parser.feed(chunk)
                    assert 0 < taken <= len(chunk)
                    chunk = chunk[taken:]
                    if parser.is_done():
                        found.append(parser.finish())
                        parser = StreamParser()
            assert found == messages

    @pytest.mark.parametrize(
        "data",
        ["HTTP/1.1 400", '"x"', "{]}", '{"a": [1,}', "[]", '{"a": 1 2}', '{"a":' * 100_000 + "}" * 100_000],
    )
    def test_what_is_no_message_is_told_as_text(self, data: str) -> None:
        parser = StreamParser()
        assert parser.feed(data)
        assert parser.is_done()
        assert isinstance(parser.finish(), str)

    def test_a_long_message_costs_as_much_as_its_length(self) -> None:
        def seconds(rows: int) -> float:
            row = {"external_ids": ["map", [["a", "b"]]]}
            text, parser = json.dumps({"rows": [row] * rows}), StreamParser()
            began = time.process_time()
            # A first chunk that ends with a bracket is taken for a whole message, in vain.
            first = text.index("}") + 1
            parser.feed(text[:first])
            for start in range(first, len(text), 4096):
                parser.feed(text[start : start + 4096])
            took_s = time.process_time() - began
            assert len(parser.finish()["rows"]) == rows
            return took_s

        # Python looks for circles among all values of the tests, too.
        gc.disable()
        try:
            assert min(seconds(20_000) for _ in range(3)) < 40 * min(seconds(2_000) for _ in range(3))
        finally:
            gc.enable()


def test_operations_of_a_commit() -> None:
    assert commit_operations("s1", []) == [
        {"op": "comment", "comment": "fairslice: queues of s1"},
        {"op": "mutate", "table": "Open_vSwitch", "where": [], "mutations": [["next_cfg", "+=", 1]]},
        {"op": "select", "table": "Open_vSwitch", "where": [], "columns": ["next_cfg"]},
    ]


@pytest.mark.parametrize(
    "target",
    [
        "",
        "unix:",
        "tcp:6640",
        "tcp:1.2.3.4:x",
        "ptcp:6640",
        "/run/db.sock",
        "unix:a,",
        "tcp:1.2.3.4:1,tcp:6640",
    ],
)
def test_a_bad_target_is_an_input_error(target: str) -> None:
    with pytest.raises(InputError, match="expected unix:PATH or tcp:ADDRESS:PORT"):
        OvsDatabase(target)


def test_good_targets() -> None:
    assert check_target("unix:/run/db.sock") == ("unix:/run/db.sock",)
    check_target("tcp:127.0.0.1:6640")
    assert check_target("tcp:[::1]:6640,unix:a") == ("tcp:[::1]:6640", "unix:a")


class TestReading:
    def test_nobody_there(self, tmp_path: Path) -> None:
        with (
            OvsDatabase(f"unix:{tmp_path}/no.sock") as database,
            pytest.raises(MachineError, match=r"OVSDB unix:.*no\.sock: cannot connect: No such file"),
        ):
            database.ports(1)
        with (
            OvsDatabase("tcp:127.0.0.1:1") as database,
            pytest.raises(OvsdbError, match="cannot connect: Connection refused"),
        ):
            database.ports(1)

    def test_silence_is_an_error_in_time(self, serve: Serve) -> None:
        server = serve(lambda server, peer, operations: None)
        started = time.monotonic()
        with (
            OvsDatabase(server.target, 0.2) as database,
            pytest.raises(OvsdbError, match=r"no answer in 0\.2 s"),
        ):
            database.read_qos(1)
        assert 0.2 <= time.monotonic() - started < 60

    def test_what_is_no_json_rpc_is_an_error(self, serve: Serve) -> None:
        def handler(server: Server, peer: socket.socket, operations: list[dict[str, Any]]) -> None:
            peer.sendall(b"HTTP/1.1 400 Bad Request")

        with (
            OvsDatabase(serve(handler).target, 0.5) as database,
            pytest.raises(OvsdbError, match="no answer"),
        ):
            database.ports(1)

    def test_it_connects_again_when_the_server_has_dropped_it(self, serve: Serve) -> None:
        server = serve()
        with OvsDatabase(server.target) as database:
            for count in (1, 2, 3):
                assert list(database.ports(1)) == [1]
                assert server.connections == count
                assert server.peer is not None
                server.peer.shutdown(socket.SHUT_RDWR)

    def test_what_has_changed_while_nobody_was_connected_is_seen(self, serve: Serve) -> None:
        server = serve()
        with OvsDatabase(server.target) as database:
            assert list(database.ports(1)) == [1]
            server.tables = initial()
            server.tables["Interface"][INTERFACE]["ofport"] = 7
            assert server.peer is not None
            server.peer.shutdown(socket.SHUT_RDWR)
            eventually(lambda: server.connections == 2)
            assert list(database.ports(1)) == [7]

    def test_reading_asks_for_no_rows_again(self, serve: Serve) -> None:
        server = serve()
        with OvsDatabase(server.target) as database:
            assert list(database.ports(1)) == [1]
            server.change("Interface", INTERFACE, ofport=9)
            # What came before the answer counts.
            assert list(database.ports(1)) == [9]
        assert server.connections == 1
        assert set(server.monitored) == {"Open_vSwitch", "Bridge", "Port", "Interface", "QoS", "Queue"}

    def test_a_server_without_the_database_is_told_from_a_silent_one(self, tmp_path: Path) -> None:
        other = {"name": "OVN_Northbound", "model": "standalone", "connected": True, "leader": True}
        server = Server(tmp_path / "db.sock", refuse_all, initial(), [other])
        try:
            with (
                OvsDatabase(server.target) as database,
                pytest.raises(OvsdbError, match="has no database Open_vSwitch; it has OVN_Northbound"),
            ):
                database.ports(1)
        finally:
            server.close()

    def test_of_a_cluster_the_leader_is_asked(self, tmp_path: Path) -> None:
        def member(name: str, number: int, *, leader: bool) -> Server:
            tables = initial()
            tables["Interface"][INTERFACE]["ofport"] = number
            row = {"name": "Open_vSwitch", "model": "clustered", "connected": True, "leader": leader}
            row |= {"schema": "{}", "index": 5}
            return Server(tmp_path / name, refuse_all, tables, [row])

        servers = [member("a", 1, leader=False), member("b", 2, leader=True), member("c", 3, leader=False)]
        target = ",".join([f"unix:{tmp_path}/none", *(server.target for server in servers)])
        try:
            for _ in range(3):
                # In which order they are tried is left to chance.
                with OvsDatabase(target) as database:
                    assert list(database.ports(1)) == [2]
        finally:
            for server in servers:
                server.close()

    def test_probes_are_answered(self, serve: Serve) -> None:
        server = serve()
        with OvsDatabase(server.target) as database:
            database.ports(1)
            server.send({"method": "echo", "params": ["x→"], "id": "echo"})
            eventually(lambda: bool(server.answered))
            assert server.answered == [{"id": "echo", "result": ["x→"], "error": None}]

    def test_threads_may_share_it(self, serve: Serve) -> None:
        def handler(server: Server, peer: socket.socket, operations: list[dict[str, Any]]) -> Any:
            time.sleep(0.01)
            return []

        server = serve(handler)
        answers: list[list[int]] = []
        with OvsDatabase(server.target) as database:
            threads = [
                threading.Thread(target=lambda: answers.append(list(database.ports(1)))) for _ in range(8)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(10)
        assert answers == [[1]] * 8
        assert server.connections == 1

    def test_closing_ends_what_is_under_way(self, serve: Serve) -> None:
        asked = threading.Event()

        def handler(server: Server, peer: socket.socket, operations: list[dict[str, Any]]) -> None:
            asked.set()

        database = OvsDatabase(serve(handler).target)
        told: list[str] = []

        def read() -> None:
            with pytest.raises(OvsdbError, match="the connection is closed") as caught:
                database.ports(1)
            told.append(str(caught.value))

        thread = threading.Thread(target=read)
        thread.start()
        assert asked.wait(SOON_S)
        database.close()
        thread.join(SOON_S)
        assert told


class TestWatching:
    def watch(self, database: OvsDatabase) -> QosWatch:
        """Of a database whose first copy is there."""
        database.ports(1)
        return QosWatch(database)

    def test_a_wait_ends_by_a_change_a_deadline_or_a_descriptor(self, serve: Serve) -> None:
        server = serve()
        with OvsDatabase(server.target) as database, self.watch(database) as watch:
            assert watch.wait(0.05) is False
            server.change("Interface", INTERFACE, ofport=2)
            assert watch.wait(SOON_S) is True
            # Raising next_cfg is the agent's own act.
            server.change("Open_vSwitch", ROOT, next_cfg=4)
            assert watch.wait(0.1) is False
            server.change("Open_vSwitch", ROOT, cur_cfg=4)
            assert watch.wait(SOON_S) is True
            here, there = socket.socketpair()
            with here, there:
                there.send(b"x")
                started = time.monotonic()
                assert watch.wait(240, here.fileno()) is False
                assert time.monotonic() - started < 60

    def test_a_lost_connection_is_told_and_its_return_is_a_change(self, tmp_path: Path) -> None:
        server = Server(tmp_path / "a.sock", refuse_all, initial())
        with OvsDatabase(server.target, 5.0) as database, self.watch(database) as watch:
            (tmp_path / "a.sock").unlink()
            server.close()
            with pytest.raises(OvsdbError, match=r"closed the connection|No such file"):
                watch.wait(SOON_S)
            again = Server(tmp_path / "a.sock", refuse_all, initial())
            try:
                assert watch.wait(SOON_S)
                assert list(database.ports(1)) == [1]
            finally:
                again.close()


DESIRED = {1: PortQos(1, 10_000_000, (Queue(1, 1_000_000, 10_000_000, 6250, 3028),))}


class TestWriting:
    OPERATIONS = ("wait", "insert", "insert", "update", "comment", "mutate", "select")
    DONE: tuple[Any, ...] = ({}, {}, {}, {"count": 1}, {}, {"count": 1}, {"rows": [{"next_cfg": 8}]})

    def test_nothing_to_change_sends_no_transaction_but_waits_for_the_last(self, serve: Serve) -> None:
        server = serve(next_cfg=5, cur_cfg=4)
        ended = threading.Event()

        def write() -> None:
            database.write_qos(1, {})
            ended.set()

        with OvsDatabase(server.target) as database:
            thread = threading.Thread(target=write)
            thread.start()
            eventually(lambda: server.connections == 1 and bool(server.monitored))
            assert not ended.wait(0.2)
            server.change("Open_vSwitch", ROOT, cur_cfg=5)
            assert ended.wait(SOON_S)
            thread.join()
        assert server.transactions == []

    def write(self, serve: Serve, answers: list[Any], **options: Any) -> list[list[str]]:
        """Write, with those answers to what changes something; returns the operations that were sent."""
        waiting = iter(answers)

        def handler(server: Server, peer: socket.socket, operations: list[dict[str, Any]]) -> Any:
            if not operations:
                return []
            answer = next(waiting)
            if answer is None:
                peer.shutdown(socket.SHUT_RDWR)
            elif answer and answer[-1] == {"rows": [{"next_cfg": 8}]}:
                server.change("Open_vSwitch", ROOT, next_cfg=8, cur_cfg=8)
            return answer

        server = serve(handler)
        with OvsDatabase(server.target, **options) as database:
            database.write_qos(1, DESIRED)
        return [[operation["op"] for operation in operations] for operations in server.transactions]

    def test_a_write_is_one_transaction(self, serve: Serve) -> None:
        assert self.write(serve, [list(self.DONE)]) == [list(self.OPERATIONS)]

    def test_a_write_starts_over_when_others_were_quicker(self, serve: Serve) -> None:
        conflict = [{"error": "timed out"}, *[None] * 6]
        vanished = [*self.DONE[:3], {"count": 0}, *self.DONE[4:]]
        assert len(self.write(serve, [conflict, vanished, list(self.DONE)])) == 3

    def test_a_write_gives_up_after_some_conflicts(self, serve: Serve) -> None:
        with pytest.raises(OvsdbError, match=r"3 attempts: .*changed by somebody else"):
            self.write(serve, [[{"error": "timed out"}, *[None] * 6]] * 3)

    def test_a_write_whose_connection_breaks_looks_again(self, serve: Serve) -> None:
        assert len(self.write(serve, [None, list(self.DONE)])) == 2

    @pytest.mark.parametrize(
        ("answer", "text"),
        [
            (
                [{}, {"error": "constraint violation", "details": "why"}],
                r"at insert Queue: constraint.* \(why\)",
            ),
            ([*DONE, {"error": "referential integrity violation"}], "at commit: referential"),
            ("nonsense", "the answer to a transaction is 'nonsense'"),
        ],
    )
    def test_a_failed_transaction_names_its_operation(self, serve: Serve, answer: Any, text: str) -> None:
        with pytest.raises(OvsdbError, match=text):
            self.write(serve, [answer])

    def test_a_switch_that_does_not_act_is_an_error(self, serve: Serve) -> None:
        late_s = [0.0]

        def handler(server: Server, peer: socket.socket, operations: list[dict[str, Any]]) -> Any:
            if operations:
                # The time is over as soon as the transaction is made: a slow machine still makes it in time.
                late_s[0] = 1000.0
                server.change("Open_vSwitch", ROOT, next_cfg=9, cur_cfg=8)
                return [*self.DONE[:-1], {"rows": [{"next_cfg": 9}]}]
            return []

        server = serve(handler)
        clock = lambda: time.monotonic() + (late_s[0] if server.answered else 0.0)  # noqa: E731
        with OvsDatabase(server.target, 60.0, clock) as database:
            failed: list[str] = []

            def write() -> None:
                with pytest.raises(OvsdbError) as caught:
                    database.write_qos(1, DESIRED)
                failed.append(str(caught.value))

            thread = threading.Thread(target=write)
            thread.start()
            eventually(lambda: bool(server.transactions))
            # The answer to a probe comes after the answer to the transaction was taken.
            server.send({"method": "echo", "params": [], "id": "echo"})
            eventually(lambda: bool(server.answered))
            server.change("Open_vSwitch", ROOT, next_cfg=10)
            thread.join(SOON_S)
        assert "did not act on the new queues in 60 s (cur_cfg 8, expected 9)" in failed[0]

    def test_who_has_not_the_lock_reads_but_does_not_write(self, serve: Serve) -> None:
        server = serve()
        server.locked = False
        with OvsDatabase(server.target, 0.5) as database:
            with pytest.raises(OvsdbError, match="another client holds the lock 'fairslice_queues'"):
                database.write_qos(1, DESIRED)
            assert list(database.ports(1)) == [1]
            assert server.transactions == []

    def test_a_writer_waits_for_the_lock(self, serve: Serve) -> None:
        def handler(server: Server, peer: socket.socket, operations: list[dict[str, Any]]) -> Any:
            if operations:
                server.change("Open_vSwitch", ROOT, next_cfg=8, cur_cfg=8)
                return list(self.DONE)
            return []

        server = serve(handler)
        server.locked = False
        with OvsDatabase(server.target) as database:
            thread = threading.Thread(target=lambda: database.write_qos(1, DESIRED))
            thread.start()
            time.sleep(0.2)
            assert server.transactions == []
            server.send({"method": "locked", "params": [LOCK], "id": None})
            thread.join(SOON_S)
        assert len(server.transactions) == 1

    def test_a_lock_that_is_lost_meanwhile_is_waited_for(self, serve: Serve) -> None:
        refused = [{"error": "not owner"}, *[None] * 8]
        answers = iter([refused, None])

        def handler(server: Server, peer: socket.socket, operations: list[dict[str, Any]]) -> Any:
            if not operations:
                return []
            if next(answers) is not None:
                server.send({"method": "stolen", "params": [LOCK], "id": None})
                server.send({"method": "locked", "params": [LOCK], "id": None})
                return [{"error": "not owner"}, *[None] * 6]
            server.change("Open_vSwitch", ROOT, next_cfg=8, cur_cfg=8)
            return list(self.DONE)

        server = serve(handler)
        with OvsDatabase(server.target) as database:
            database.write_qos(1, DESIRED)
        assert len(server.transactions) == 2

    def test_a_large_transaction_goes_out_whole(self, serve: Serve) -> None:
        def handler(server: Server, peer: socket.socket, operations: list[dict[str, Any]]) -> Any:
            if not operations:
                return []
            server.change("Open_vSwitch", ROOT, next_cfg=8, cur_cfg=8)
            return [*({"count": 1} for _ in operations[:-1]), {"rows": [{"next_cfg": 8}]}]

        server = serve(handler)
        queues = tuple(Queue(number, 1, 2, 3, 4) for number in range(3_000))
        with OvsDatabase(server.target) as database:
            database.write_qos(1, {1: PortQos(1, 10, queues)})
        assert len(server.transactions[0]) == 3_000 + 6


def test_one_task_waits_not_longer_than_its_time(serve: Serve) -> None:
    server = serve()
    with OvsDatabase(server.target) as database:
        connection = database.connection()

        def never() -> Any:
            while True:
                yield

        started = time.monotonic()
        with pytest.raises(NoAnswerError):
            connection.do(never(), time.monotonic() + 0.1)
        assert 0.1 <= time.monotonic() - started < 60
