"""What switches should hold, pure: compile an allocation, and plan the difference."""
