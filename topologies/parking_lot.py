"""A line of switches: one long flow meets a fresh short flow at every hop.

With equal weights max-min fairness gives every flow half of a hop (Bertsekas and Gallager, Data Networks,
2nd edition, §6.5.2).

Use: mn --custom topologies/parking_lot.py --topo parking_lot,5,bw=10
"""

from mininet.topo import Topo


class ParkingLot(Topo):
    """Switches s1..s(n+1) in a line; a1 and a2 at its ends; hop i has xi on s(i) and yi on s(i+1)."""

    def build(self, n=3, bw=20, access=100):
        """Chain n hops of ``bw`` Mbit/s; hosts' own cables carry ``access`` Mbit/s."""
        if not isinstance(n, int) or n < 1:
            raise ValueError(f"n={n!r}: expected a whole number of hops, 1 or more")
        for name, rate in (("bw", bw), ("access", access)):
            if not isinstance(rate, (int, float)) or not 0 < rate <= 1000:
                raise ValueError(f"{name}={rate!r}: expected a rate above 0, up to Mininet's 1000 Mbit/s")

        switches = [self.addSwitch(f"s{i}") for i in range(1, n + 2)]
        for i in range(n):
            self.addLink(switches[i], switches[i + 1], bw=bw)
        # In the order in which Mininet numbers hosts by itself: by name.
        places = [("a1", switches[0]), ("a2", switches[-1])]
        places += [(f"x{i}", switches[i - 1]) for i in range(1, n + 1)]
        places += [(f"y{i}", switches[i]) for i in range(1, n + 1)]
        for i, (name, switch) in enumerate(places, start=1):
            octets = i >> 16, i >> 8 & 255, i & 255
            host = self.addHost(
                name,
                ip="10.{}.{}.{}/8".format(*octets),
                mac="00:00:00:{:02x}:{:02x}:{:02x}".format(*octets),
            )
            self.addLink(host, switch, bw=access)


topos = {"parking_lot": ParkingLot}
