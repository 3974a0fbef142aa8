"""From a policy and a network to rates, and to what each switch should hold."""
