"""The filling itself: one source that runs interpreted, compiled, or on fractions."""
