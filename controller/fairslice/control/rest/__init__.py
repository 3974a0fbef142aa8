"""The controller's REST interface: an HTTP server in a thread of its own, under any framework."""
