"""Queues: what their load makes of waiting, in closed form and by simulation of events."""

from fairslice.models.queues.batch_means import Interval
from fairslice.models.queues.erlang import (
    erlang_b,
    erlang_c,
    offered_for_blocking,
    offered_for_waiting,
    servers_for_blocking,
    servers_for_waiting,
)
from fairslice.models.queues.general import ConstantServiceWait, m_d_1, m_g_1, m_g_m_m
from fairslice.models.queues.markovian import m_m_m
from fairslice.models.queues.simulation import (
    SimulatedQueue,
    constant_service,
    exponential_service,
    gamma_service,
    lindley,
    simulate_queue,
)
from fairslice.models.queues.steady import SteadyState

__all__ = [
    "ConstantServiceWait",
    "Interval",
    "SimulatedQueue",
    "SteadyState",
    "constant_service",
    "erlang_b",
    "erlang_c",
    "exponential_service",
    "gamma_service",
    "lindley",
    "m_d_1",
    "m_g_1",
    "m_g_m_m",
    "m_m_m",
    "offered_for_blocking",
    "offered_for_waiting",
    "servers_for_blocking",
    "servers_for_waiting",
    "simulate_queue",
]
