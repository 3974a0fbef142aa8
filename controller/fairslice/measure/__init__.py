"""Measurements: from iperf3 and switch counters to a comparison and a report."""
