"""How much of the server a client may take, and for how long."""

from dataclasses import dataclass

from fairslice.files.yaml_tree import MAX_FILE_BYTES


@dataclass(frozen=True, slots=True)
class Limits:
    """Beyond these a request is refused or its connection ended.

    Args:
        body_bytes: a request's body.
        head_bytes: the request line and the headers.
        head_s: until the headers have all come, from the connection or from their first byte.
        body_s: until the body has all come.
        answer_s: until the service has answered.
        idle_s: between two requests of a connection, and for an answer to be taken.
        linger_s: how long a refused body is read on, so that the refusal arrives (RFC 9112 §9.6).
        connections: at once. Descriptors are limited, 1,024 as a rule, and switches need theirs; when one
            more comes, the connection goes that has waited longest without a request.
        reading_calls: calls of the service at once that change nothing; changes are made one by one.
    """

    body_bytes: int = MAX_FILE_BYTES
    head_bytes: int = 16 << 10
    head_s: float = 10.0
    body_s: float = 30.0
    answer_s: float = 60.0
    idle_s: float = 30.0
    linger_s: float = 2.0
    connections: int = 256
    reading_calls: int = 4
