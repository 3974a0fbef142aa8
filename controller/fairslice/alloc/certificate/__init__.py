"""An independent checker of rates: it shares no code with the solver."""
