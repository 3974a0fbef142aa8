"""A fat tree of k-port switches: all hosts can send at full rate at once, if paths are chosen well.

Source: M. Al-Fares, A. Loukissas, A. Vahdat, "A Scalable, Commodity Data Center Network Architecture",
SIGCOMM 2008.

Use: mn --custom topologies/fat_tree.py --topo fat_tree,4,bw=20
"""

from mininet.topo import Topo


class FatTree(Topo):
    """(k/2)^2 core switches and k pods of k/2 aggregation and k/2 edge switches; k/2 hosts an edge switch.

    The cores are s1..s((k/2)^2); then come, pod after pod, aggregation and edge. Hosts h1..h(k^3/4) are in
    pod order.
    """

    def build(self, k=4, bw=10):
        """Build it of switches with k ports; every cable carries ``bw`` Mbit/s."""
        if not isinstance(k, int) or k < 2 or k % 2:
            raise ValueError(f"k={k!r}: expected an even number of ports per switch, 2 or more")
        if not isinstance(bw, (int, float)) or not 0 < bw <= 1000:
            raise ValueError(f"bw={bw!r}: expected a rate above 0, up to Mininet's 1000 Mbit/s")

        half = k // 2
        cores = [self.addSwitch(f"s{i}") for i in range(1, half**2 + 1)]
        first, number = len(cores) + 1, 0
        for _pod in range(k):
            pod = [self.addSwitch(f"s{i}") for i in range(first, first + k)]
            first += k
            aggregation, edge = pod[:half], pod[half:]
            for switch in edge:
                for _ in range(half):
                    number += 1
                    octets = number >> 16, number >> 8 & 255, number & 255
                    host = self.addHost(
                        f"h{number}",
                        ip="10.{}.{}.{}/8".format(*octets),
                        mac="00:00:00:{:02x}:{:02x}:{:02x}".format(*octets),
                    )
                    self.addLink(host, switch, bw=bw)
            for i, upper in enumerate(aggregation):
                for lower in edge:
                    self.addLink(lower, upper, bw=bw)
                for core in cores[i * half : (i + 1) * half]:
                    self.addLink(upper, core, bw=bw)


topos = {"fat_tree": FatTree}
