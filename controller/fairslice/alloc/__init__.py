"""Max-min fair rates: the problem, water-filling, and the certificate."""
