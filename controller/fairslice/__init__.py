"""fairslice divides a network fairly among slices and proves it on real switches."""

__version__ = "0.1.0"
