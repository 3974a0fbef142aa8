"""What switches should hold: compile an allocation, and plan the difference. Pure."""
