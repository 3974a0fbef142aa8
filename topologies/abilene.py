"""Abilene, the research network of Internet2 until 2007: 11 nodes, 14 cables.

Source: instance "abilene" of SNDlib (Orlowski et al., "SNDlib 1.0: Survivable Network Design Library",
Networks 55(3), 2010) without ATLAM5, which is a second node in Atlanta; it is also "Abilene" of the Internet
Topology Zoo (Knight et al., IEEE JSAC 29(9), 2011). The real cables carried 10 Gbit/s.

Use: mn --custom topologies/abilene.py --topo abilene,bw=20
"""

from mininet.topo import Topo


class Abilene(Topo):
    """Switches s1..s11, one a city, and host h(i) on s(i)."""

    # In the order of the numbers of switches and hosts.
    CITIES = (
        "Seattle",
        "Sunnyvale",
        "Los Angeles",
        "Denver",
        "Kansas City",
        "Houston",
        "Chicago",
        "Indianapolis",
        "Atlanta",
        "Washington",
        "New York",
    )

    TRUNKS = (
        ("Seattle", "Sunnyvale"),
        ("Seattle", "Denver"),
        ("Sunnyvale", "Los Angeles"),
        ("Sunnyvale", "Denver"),
        ("Los Angeles", "Houston"),
        ("Denver", "Kansas City"),
        ("Kansas City", "Houston"),
        ("Kansas City", "Indianapolis"),
        ("Houston", "Atlanta"),
        ("Chicago", "Indianapolis"),
        ("Chicago", "New York"),
        ("Indianapolis", "Atlanta"),
        ("Atlanta", "Washington"),
        ("Washington", "New York"),
    )

    def build(self, bw=20, access=100):
        """Join the cities by cables of ``bw`` Mbit/s; hosts' own cables carry ``access`` Mbit/s."""
        for name, rate in (("bw", bw), ("access", access)):
            if not isinstance(rate, (int, float)) or not 0 < rate <= 1000:
                raise ValueError(f"{name}={rate!r}: expected a rate above 0, up to Mininet's 1000 Mbit/s")

        switches = {}
        for i, city in enumerate(self.CITIES, start=1):
            switches[city] = self.addSwitch(f"s{i}")
            host = self.addHost(f"h{i}", ip=f"10.0.0.{i}/8", mac=f"00:00:00:00:00:{i:02x}")
            self.addLink(host, switches[city], bw=access)
        for near, far in self.TRUNKS:
            self.addLink(switches[near], switches[far], bw=bw)


topos = {"abilene": Abilene}
