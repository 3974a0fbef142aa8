"""The bytes of OVSDB's JSON-RPC (RFC 7047), against a server of this file on a socket."""

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fairslice.control.ovsdb.database import OvsDatabase, OvsdbError, QosWatch
from fairslice.control.ovsdb.plan import commit_operations
from fairslice.control.ovsdb.rows import select_operations
from fairslice.control.ovsdb.wire import (
    CallRefusedError,
    Connection,
    ConnectionLostError,
    Decoder,
    NoAnswerError,
    check_target,
    encode,
)
from fairslice.errors import InputError, MachineError
from fairslice.slicing.state.desired import PortQos, Queue

Handler = Callable[[socket.socket, dict[str, Any]], None]


class Server:
    """Answers each request with ``handler``; keeps all that came."""

    def __init__(self, path: Path, handler: Handler) -> None:
        self.target = f"unix:{path}"
        self.handler = handler
        self.requests: list[dict[str, Any]] = []
        self.connections = 0
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            decoder = Decoder()
            with peer:
                peer.settimeout(240)
                try:
                    while chunk := peer.recv(4096):
                        for message in decoder.feed(chunk):
                            self.requests.append(message)
                            self.handler(peer, message)
                except OSError:
                    continue

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)
        assert not self._thread.is_alive()


Serve = Callable[[Handler], Server]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    servers: list[Server] = []

    def start(handler: Handler) -> Server:
        servers.append(Server(tmp_path / "db.sock", handler))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def reply(peer: socket.socket, request: dict[str, Any], result: Any, error: Any = None) -> None:
    peer.sendall(json.dumps({"id": request["id"], "result": result, "error": error}).encode())


def soon(seconds: float = 60.0) -> float:
    return time.monotonic() + seconds


class TestDecoder:
    def test_messages_are_found_wherever_chunks_end(self) -> None:
        messages = [{"id": 1, "result": ["é→€", {}]}, {"id": None, "method": "update", "params": []}]
        data = b"".join(json.dumps(message, ensure_ascii=False).encode() for message in messages)
        for size in (1, 2, 3, 7, len(data)):
            decoder = Decoder()
            found = [
                message
                for start in range(0, len(data), size)
                for message in decoder.feed(data[start : start + size])
            ]
            assert found == messages

    @pytest.mark.parametrize("data", [b"HTTP/1.1 400", b"[1]", b"\xff\xfe"])
    def test_what_is_no_json_rpc_ends_the_connection(self, data: bytes) -> None:
        with pytest.raises(ConnectionLostError):
            list(Decoder().feed(data))


def test_bytes_of_a_request() -> None:
    assert encode({"method": "transact", "params": ["Open_vSwitch"], "id": 1}) == (
        b'{"method":"transact","params":["Open_vSwitch"],"id":1}'
    )


def test_bytes_of_a_commit() -> None:
    assert encode(commit_operations("s1", [])) == (
        b'[{"op":"comment","comment":"fairslice: queues of s1"},'
        b'{"op":"mutate","table":"Open_vSwitch","where":[],"mutations":[["next_cfg","+=",1]]},'
        b'{"op":"select","table":"Open_vSwitch","where":[],"columns":["next_cfg"]}]'
    )


def test_bytes_of_a_read() -> None:
    assert encode(select_operations()[2]) == (
        b'{"op":"select","table":"Port","where":[],"columns":["_uuid","name","qos","interfaces"]}'
    )


class TestConnection:
    def test_probes_are_answered_and_notifications_counted_on_the_way(self, serve: Serve) -> None:
        def handler(peer: socket.socket, message: dict[str, Any]) -> None:
            if message.get("method") == "transact":
                peer.sendall(encode({"method": "echo", "params": ["x"], "id": "echo"}))
                peer.sendall(encode({"method": "update", "params": ["fairslice", {}], "id": None}))
            elif message.get("id") == "echo":
                reply(peer, server.requests[0], ["done"])

        server = serve(handler)
        connection = Connection(server.target, soon())
        assert connection.call("transact", ["Open_vSwitch"], soon()) == ["done"]
        assert connection.wait_update(soon()) is True
        assert connection.wait_update(soon(0.05)) is False
        assert server.requests[1] == {"id": "echo", "result": ["x"], "error": None}
        connection.close()

    def test_silence_ends_at_the_deadline_and_closes(self, serve: Serve) -> None:
        server = serve(lambda peer, message: None)
        connection = Connection(server.target, soon())
        started = time.monotonic()
        with pytest.raises(NoAnswerError):
            connection.call("transact", [], soon(0.2))
        assert 0.2 <= time.monotonic() - started < 60
        with pytest.raises(ConnectionLostError, match="closed"):
            connection.call("transact", [], soon())

    def test_an_error_answer_leaves_the_connection(self, serve: Serve) -> None:
        server = serve(lambda peer, message: reply(peer, message, None, {"error": "unknown database"}))
        connection = Connection(server.target, soon())
        for _ in range(2):
            with pytest.raises(CallRefusedError, match="unknown database"):
                connection.call("transact", ["no"], soon())
        assert server.connections == 1
        connection.close()

    def test_a_large_request_goes_out_whole(self, serve: Serve) -> None:
        server = serve(lambda peer, message: reply(peer, message, len(message["params"][0])))
        connection = Connection(server.target, soon())
        assert connection.call("transact", ["x" * 3_000_000], soon()) == 3_000_000
        connection.close()

    def test_a_wait_ends_by_an_update_a_deadline_or_a_descriptor(self, serve: Serve) -> None:
        def handler(peer: socket.socket, message: dict[str, Any]) -> None:
            reply(peer, message, {})
            if message["method"] == "go":
                peer.sendall(encode({"method": "update", "params": ["fairslice", {}], "id": None}))

        connection = Connection(serve(handler).target, soon())
        connection.call("monitor", [], soon())
        assert connection.wait_update(soon(0.05)) is False
        connection.call("go", [], soon())
        assert connection.wait_update(soon()) is True
        read_end, write_end = os.pipe()
        os.write(write_end, b"x")
        started = time.monotonic()
        assert connection.wait_update(soon(240), read_end) is False
        assert time.monotonic() - started < 60
        os.close(read_end)
        os.close(write_end)
        connection.close()


@pytest.mark.parametrize("target", ["", "unix:", "tcp:6640", "tcp:1.2.3.4:x", "ptcp:6640", "/run/db.sock"])
def test_a_bad_target_is_an_input_error(target: str) -> None:
    with pytest.raises(InputError, match="expected unix:PATH or tcp:ADDRESS:PORT"):
        OvsDatabase(target)


def test_good_targets() -> None:
    check_target("unix:/run/db.sock")
    check_target("tcp:127.0.0.1:6640")
    check_target("tcp:[::1]:6640")


def rows(next_cfg: int = 3, cur_cfg: int = 3) -> list[dict[str, Any]]:
    """A bridge s1 with one port and no QoS."""
    nothing: list[Any] = ["set", []]
    tables: list[list[dict[str, Any]]] = [
        [{"next_cfg": next_cfg, "cur_cfg": cur_cfg}],
        [{"name": "s1", "datapath_id": f"{1:016x}", "datapath_type": "netdev", "ports": ["uuid", "p1"]}],
        [{"_uuid": ["uuid", "p1"], "name": "s1-eth1", "qos": nothing, "interfaces": ["uuid", "i1"]}],
        [
            {
                "_uuid": ["uuid", "i1"],
                "name": "s1-eth1",
                "ofport": 1,
                "link_speed": nothing,
                "external_ids": ["map", []],
            }
        ],
        [],
        [],
    ]
    return [{"rows": table} for table in tables]


DESIRED = {1: PortQos(1, 10_000_000, (Queue(1, 1_000_000, 10_000_000, 6250, 3028),))}


class TestDatabase:
    def test_nobody_there(self, tmp_path: Path) -> None:
        with pytest.raises(MachineError, match=r"OVSDB unix:.*no\.sock: cannot connect: No such file"):
            OvsDatabase(f"unix:{tmp_path}/no.sock").ports(1)
        with pytest.raises(OvsdbError, match="cannot connect: Connection refused"):
            OvsDatabase("tcp:127.0.0.1:1").ports(1)
        with pytest.raises(OvsdbError, match="cannot connect"):
            QosWatch(f"unix:{tmp_path}/no.sock")

    def test_silence_is_an_error_in_time(self, serve: Serve) -> None:
        server = serve(lambda peer, message: None)
        started = time.monotonic()
        with (
            OvsDatabase(server.target, 0.2) as database,
            pytest.raises(OvsdbError, match=r"no answer in 0\.2 s"),
        ):
            database.read_qos(1)
        assert time.monotonic() - started < 60

    def test_it_connects_again_when_the_server_has_dropped_it(self, serve: Serve) -> None:
        def handler(peer: socket.socket, message: dict[str, Any]) -> None:
            reply(peer, message, rows())
            peer.shutdown(socket.SHUT_RDWR)

        server = serve(handler)
        with OvsDatabase(server.target) as database:
            assert [list(database.ports(1)) for _ in range(3)] == [[1], [1], [1]]
        assert server.connections == 3

    def test_nothing_to_change_sends_no_transaction_but_waits_for_the_last(self, serve: Serve) -> None:
        counter = iter(range(10))

        def handler(peer: socket.socket, message: dict[str, Any]) -> None:
            count = next(counter)
            reply(
                peer,
                message,
                rows(next_cfg=5, cur_cfg=4) if count == 0 else [{"rows": [{"cur_cfg": 3 + count}]}],
            )

        server = serve(handler)
        with OvsDatabase(server.target) as database:
            database.write_qos(1, {})
        sent = [operation["op"] for message in server.requests for operation in message["params"][1:]]
        assert set(sent) == {"select"}
        assert len(server.requests) == 3

    def write(self, serve: Serve, answers: list[Any]) -> list[list[str]]:
        """Write, with those answers to what changes something; returns the operations that were sent."""
        waiting = iter(answers)
        sent = []

        def handler(peer: socket.socket, message: dict[str, Any]) -> None:
            operations = [operation["op"] for operation in message["params"][1:]]
            if len(operations) == 6 and set(operations) == {"select"}:
                reply(peer, message, rows())
            elif operations == ["select"]:
                reply(peer, message, [{"rows": [{"cur_cfg": 8}]}])
            else:
                sent.append(operations)
                answer = next(waiting)
                if answer is None:
                    peer.shutdown(socket.SHUT_RDWR)
                else:
                    reply(peer, message, answer)

        with OvsDatabase(serve(handler).target, 60.0) as database:
            database.write_qos(1, DESIRED)
        return sent

    OPERATIONS = ("wait", "insert", "insert", "update", "comment", "mutate", "select")
    DONE: tuple[Any, ...] = ({}, {}, {}, {"count": 1}, {}, {"count": 1}, {"rows": [{"next_cfg": 8}]})

    def test_a_write_is_one_transaction(self, serve: Serve) -> None:
        assert self.write(serve, [self.DONE]) == [list(self.OPERATIONS)]

    def test_a_write_starts_over_when_others_were_quicker_or_the_answer_was_lost(self, serve: Serve) -> None:
        conflict = [{"error": "timed out"}, *[None] * 6]
        vanished = [*self.DONE[:3], {"count": 0}, *self.DONE[4:]]
        assert len(self.write(serve, [conflict, vanished, self.DONE])) == 3

    def test_a_write_gives_up_after_some_conflicts(self, serve: Serve) -> None:
        with pytest.raises(OvsdbError, match=r"3 attempts: .*changed by somebody else"):
            self.write(serve, [[{"error": "timed out"}, *[None] * 6]] * 3)

    def test_a_write_whose_connection_breaks_looks_again(self, serve: Serve) -> None:
        assert len(self.write(serve, [None, self.DONE])) == 2

    @pytest.mark.parametrize(
        ("answer", "text"),
        [
            (
                [{}, {"error": "constraint violation", "details": "why"}],
                r"at insert Queue: constraint.* \(why\)",
            ),
            ([*DONE, {"error": "referential integrity violation"}], "at commit: referential"),
            ("nonsense", "expected 7 results"),
        ],
    )
    def test_a_failed_transaction_names_its_operation(self, serve: Serve, answer: Any, text: str) -> None:
        with pytest.raises(OvsdbError, match=text):
            self.write(serve, [answer])

    def test_a_switch_that_does_not_act_is_an_error(
        self, serve: Serve, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        slept_s = [0.0]
        # Waiting costs no time here, so that a slow machine still answers each question in time.
        monkeypatch.setattr(
            "fairslice.control.ovsdb.database.time",
            SimpleNamespace(monotonic=lambda: time.monotonic() + sum(slept_s), sleep=slept_s.append),
        )
        done = [*self.DONE[:-1], {"rows": [{"next_cfg": 9}]}]
        with pytest.raises(OvsdbError, match=r"did not act .* in 60 s \(cur_cfg 8, expected 9\)"):
            self.write(serve, [done])
        assert sum(slept_s) > 50

    def test_threads_may_share_it(self, serve: Serve) -> None:
        def handler(peer: socket.socket, message: dict[str, Any]) -> None:
            time.sleep(0.01)
            reply(peer, message, rows())

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
