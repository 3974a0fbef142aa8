"""One switch and its hosts: every pair meets only at the hosts' own cables.

Use: mn --custom topologies/star.py --topo star,6,bw=10
"""

from mininet.topo import Topo


class Star(Topo):
    """Hosts h1..hn on s1."""

    def build(self, n=4, bw=20):
        """Join n hosts, each by a cable of ``bw`` Mbit/s."""
        if not isinstance(n, int) or n < 1:
            raise ValueError(f"n={n!r}: expected a whole number of hosts, 1 or more")
        if not isinstance(bw, (int, float)) or not 0 < bw <= 1000:
            raise ValueError(f"bw={bw!r}: expected a rate above 0, up to Mininet's 1000 Mbit/s")

        switch = self.addSwitch("s1")
        for i in range(1, n + 1):
            octets = i >> 16, i >> 8 & 255, i & 255
            host = self.addHost(
                f"h{i}",
                ip="10.{}.{}.{}/8".format(*octets),
                mac="00:00:00:{:02x}:{:02x}:{:02x}".format(*octets),
            )
            self.addLink(host, switch, bw=bw)


topos = {"star": Star}
