"""The contract of a controller: what its REST interface answers, and the client that asks."""
