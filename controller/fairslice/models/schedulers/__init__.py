"""Schedulers: fluid GPS, and how near packets come to it with WFQ, WF2Q, deficit round robin and FIFO."""

from fairslice.models.schedulers.delay import DelayBound, Hop, delay_bound
from fairslice.models.schedulers.gps import Fluid, even_pieces, gps, virtual_time
from fairslice.models.schedulers.packets import drr, fifo, wf2q, wfq
from fairslice.models.schedulers.traffic import Served, Traffic, as_floats, lag_bound, largest_lag

__all__ = [
    "DelayBound",
    "Fluid",
    "Hop",
    "Served",
    "Traffic",
    "as_floats",
    "delay_bound",
    "drr",
    "even_pieces",
    "fifo",
    "gps",
    "lag_bound",
    "largest_lag",
    "virtual_time",
    "wf2q",
    "wfq",
]
