"""Mininet in namespaces of its own: the network, its hosts, and iperf3."""
