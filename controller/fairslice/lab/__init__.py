"""The data plane, emulated: networks, traffic, and runs that are measured."""
