"""Queues and port capacities through OVSDB (RFC 7047)."""
