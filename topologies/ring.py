"""A ring of switches, one host each: the smallest network with a loop and with two ways to go.

Use: mn --custom topologies/ring.py --topo ring,8,bw=10
"""

from mininet.topo import Topo


class Ring(Topo):
    """Switches s1..sn in a ring; host h(i) on s(i)."""

    def build(self, n=6, bw=20, access=100):
        """Close a ring of n cables of ``bw`` Mbit/s; hosts' own cables carry ``access`` Mbit/s."""
        if not isinstance(n, int) or n < 3:
            raise ValueError(f"n={n!r}: expected a whole number of switches, 3 or more (fewer are no ring)")
        for name, rate in (("bw", bw), ("access", access)):
            if not isinstance(rate, (int, float)) or not 0 < rate <= 1000:
                raise ValueError(f"{name}={rate!r}: expected a rate above 0, up to Mininet's 1000 Mbit/s")

        switches = [self.addSwitch(f"s{i}") for i in range(1, n + 1)]
        for i, switch in enumerate(switches, start=1):
            octets = i >> 16, i >> 8 & 255, i & 255
            host = self.addHost(
                f"h{i}",
                ip="10.{}.{}.{}/8".format(*octets),
                mac="00:00:00:{:02x}:{:02x}:{:02x}".format(*octets),
            )
            self.addLink(host, switch, bw=access)
        for i in range(n):
            self.addLink(switches[i], switches[(i + 1) % n], bw=bw)


topos = {"ring": Ring}
