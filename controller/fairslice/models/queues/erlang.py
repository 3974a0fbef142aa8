"""Erlang's formulas for a group of servers (Erlang 1917; Kleinrock 1975, section 3.5)."""


def erlang_b(offered: float, servers: int) -> float:
    """The probability that a call finds all servers taken and is lost (M/M/m/m).

    Blocking of one server more follows from that of one less (Jagerman 1974); no power, no factorial, so that
    nothing overflows.

    Args:
        offered: calls that come in the time that one takes, on the mean; erlang, 0 or more.
        servers: 0 or more.
    """
    blocking = 1.0
    for count in range(1, servers + 1):
        blocking = offered * blocking / (count + offered * blocking)
    return blocking
