"""A result as tables, pictures and a page."""
