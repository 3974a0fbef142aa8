"""Two switches with one bottleneck between them: the textbook's picture of congestion.

Use: mn --custom topologies/dumbbell.py --topo dumbbell,4,bottleneck=50
With a longer cable between the switches: --topo dumbbell,3,delay=10ms,loss=1
"""

from mininet.topo import Topo


class Dumbbell(Topo):
    """Hosts h1..hn on s1 (left) and h(n+1)..h(2n) on s2 (right); rates in Mbit/s."""

    def build(self, n=3, bottleneck=30, access=100, delay=0, loss=0):
        """Put n hosts on either side of a ``bottleneck``; hosts' own cables carry ``access``.

        ``delay`` (a time with its unit, such as 10ms) and ``loss`` (in per cent) are of the bottleneck alone,
        for each direction.
        """
        if not isinstance(n, int) or n < 1:
            raise ValueError(f"n={n!r}: expected a whole number of host pairs, 1 or more")
        for name, bw in (("bottleneck", bottleneck), ("access", access)):
            if not isinstance(bw, (int, float)) or not 0 < bw <= 1000:
                raise ValueError(f"{name}={bw!r}: expected a rate above 0, up to Mininet's 1000 Mbit/s")

        left, right = self.addSwitch("s1"), self.addSwitch("s2")
        extra = {key: value for key, value in (("delay", delay), ("loss", loss)) if value}
        self.addLink(left, right, bw=bottleneck, **extra)
        for i in range(1, 2 * n + 1):
            octets = i >> 16, i >> 8 & 255, i & 255
            host = self.addHost(
                f"h{i}",
                ip="10.{}.{}.{}/8".format(*octets),
                mac="00:00:00:{:02x}:{:02x}:{:02x}".format(*octets),
            )
            self.addLink(host, left if i <= n else right, bw=access)


topos = {"dumbbell": Dumbbell}
