"""Loading what a user names: specifications, Mininet topologies of any make, and their faults."""

import re
import sys
from pathlib import Path

import pytest

from fairslice.errors import InputError, Location, MachineError
from fairslice.topology import load
from fairslice.topology.load import load_network, parse_spec
from fairslice.topology.mininet_topo import read_delay
from fairslice.topology.network import Host, Link

HEAD = "from mininet.topo import Topo\nclass T(Topo):\n    def build(self, n=1, *, name='s'):\n"
TAIL = "\ntopos = {'t': T}\n"
GOOD = """
        s = self.addSwitch('s1')
        for i in range(1, n + 1):
            self.addLink(self.addHost(f'h{i}'), s, bw=10)
"""


def write(folder: Path, text: str) -> Path:
    file = folder / "net.py"
    file.write_text(text)
    return file


def refused(folder: Path, body: str) -> str:
    """The faults of a topology with this body of ``build``."""
    indented = "".join(f"        {line}\n" for line in body.splitlines())
    file = write(folder, HEAD + indented + TAIL)
    with pytest.raises(InputError) as error:
        load_network(str(file))
    return str(error.value).replace(str(file), "net.py")


def test_a_specification_is_taken_apart_as_mn_does_it() -> None:
    spec = parse_spec("a/b.py:tree,3,0.5,x,bw=1e3,name=s,4")
    assert (spec.file, spec.name, spec.args) == (Path("a/b.py"), "tree", (3, 0.5, "x", 4))
    assert spec.kwargs == {"bw": 1000.0, "name": "s"}
    assert parse_spec("b.py").name is None
    assert parse_spec("b.py:").name is None
    assert parse_spec("C:d.py:n").file == Path("C:d.py")


@pytest.mark.parametrize("spec", ["", "net", "net.yaml", ".py", "net.json:x", "net.pyc"])
def test_another_form_is_refused(spec: str) -> None:
    with pytest.raises(InputError, match=r"expected FILE\.py"):
        parse_spec(spec)


def test_arguments_reach_the_topology(tmp_path: Path) -> None:
    file = write(tmp_path, HEAD + GOOD + TAIL)
    assert len(load_network(f"{file}").hosts) == 1
    assert len(load_network(f"{file}:t,3").hosts) == 3
    assert len(load_network(f"{file}:t,n=4,name=x").hosts) == 4


def test_defaults_are_those_of_mininet(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        HEAD
        + """
        a = self.addSwitch('s10')
        b = self.addSwitch('core', dpid='00:00:00:00:00:00:AB:CD')
        h2 = self.addHost('h2', ip='192.168.1.9/24', mac='02:00:00:00:00:AA')
        h10 = self.addHost('h10')
        self.addLink(h10, a, port2=7, bw=0.5)
        self.addLink(a, b, params1={'bw': 3}, params2={'bw': 4})
        self.addLink(b, h2, bw=1)
"""
        + TAIL,
    )
    network = load_network(str(file))
    assert {s.name: s.dpid for s in network.switches.values()} == {"s10": 10, "core": 0xABCD}
    # h2 comes before h10, as in Mininet, and takes a number though it needs none.
    assert network.hosts["h2"] == Host("h2", "02:00:00:00:00:aa", "192.168.1.9", "core", 2)
    assert network.hosts["h10"] == Host("h10", "00:00:00:00:00:02", "10.0.0.2", "s10", 7)
    assert network.links["h10", "s10"] == Link("h10", "s10", 0.5e6, 0)
    assert network.links["s10", "h10"] == Link("s10", "h10", 0.5e6, 7)
    # The next port that Topo chooses is the number of ports there are, plus one.
    assert network.links["s10", "core"] == Link("s10", "core", 3e6, 2)
    assert network.links["core", "s10"] == Link("core", "s10", 4e6, 1)


def test_delay_and_loss_are_in_mininets_words(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        HEAD
        + """
        s, t = self.addSwitch('s1'), self.addSwitch('s2')
        self.addLink(s, t, bw=1, delay='10ms', loss=2)
        self.addLink(self.addHost('h1'), s, bw=1, params1={'delay': '5us', 'loss': 0.5}, params2={'loss': 3})
        h2 = self.addHost('h2')
        self.addLink(h2, t, bw=1, delay='1s', params1={'delay': '2s'}, use_htb=True, jitter=None)
"""
        + TAIL,
    )
    links = load_network(str(file)).links
    assert links["s1", "s2"] == Link("s1", "s2", 1e6, 1, 0.010, 0.02)
    assert links["s2", "s1"] == Link("s2", "s1", 1e6, 1, 0.010, 0.02)
    assert links["h1", "s1"] == Link("h1", "s1", 1e6, 0, 5e-6, 0.005)
    assert links["s1", "h1"] == Link("s1", "h1", 1e6, 2, 0.0, 0.03)
    # As Mininet's Link does it, what is of both directions overrides what is of one.
    assert links["h2", "s2"] == Link("h2", "s2", 1e6, 0, delay_s=1.0)


@pytest.mark.parametrize(
    ("text", "delay_s"),
    [
        *(("2s", 2.0), ("2sec", 2.0), ("2secs", 2.0), ("2ms", 0.002), ("2msec", 0.002), ("2msecs", 0.002)),
        *(("2us", 2e-6), ("2usec", 2e-6), ("2usecs", 2e-6), ("1.5MS", 0.0015), (".5s", 0.5), ("1e2us", 1e-4)),
        *((0, 0.0), (0.0, 0.0), (None, 0.0), ("0ms", 0.0), ("60s", 60.0)),
    ],
)
def test_a_delay_is_a_time_as_tc_takes_it(text: object, delay_s: float) -> None:
    assert read_delay(text) == delay_s


def test_the_file_runs_as_under_mn_and_its_prints_stay_out_of_stdout(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path, HEAD + GOOD + TAIL + "assert '__file__' not in globals()\nprint('hello')\n")
    load_network(str(file))
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "hello\n")


def test_topos_may_hold_functions(tmp_path: Path) -> None:
    file = write(tmp_path, HEAD + GOOD + "\ntopos = {'t': (lambda n=2: T(n))}\n")
    assert len(load_network(f"{file}:t").hosts) == 2
    with pytest.raises(InputError, match=r"expected t\(n=2\)"):
        load_network(f"{file}:t,1,2")


def test_topos_may_hold_classes_with_their_own_init(tmp_path: Path) -> None:
    own = HEAD + GOOD + "    def __init__(self, hosts):\n        super().__init__(hosts)\n" + TAIL
    file = write(tmp_path, own)
    assert len(load_network(f"{file}:t,2").hosts) == 2
    with pytest.raises(InputError, match=r"missing 1 required.*expected t\(hosts\)"):
        load_network(str(file))


@pytest.mark.parametrize("args", ["1,2", "m=1", "x,name=3,n=2"])
def test_wrong_arguments_are_answered_by_the_right_ones(tmp_path: Path, args: str) -> None:
    file = write(tmp_path, HEAD + GOOD + TAIL)
    with pytest.raises(InputError, match=r"can't be built: TypeError.*expected t\(n=1, \*, name='s'\)"):
        load_network(f"{file}:t,{args}")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    for name in ("no.py", "no.json"):
        with pytest.raises(InputError, match=r"No such file or directory; expected FILE\.py"):
            load_network(str(tmp_path / name))
    (tmp_path / "folder.py").mkdir()
    with pytest.raises(InputError, match="Is a directory"):
        load_network(str(tmp_path / "folder.py"))


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("x = 1\ndef f(:\n", 2, 7, "invalid syntax"),
        ("\nimport nowhere_to_be_found\n", 2, 1, "No module named 'nowhere_to_be_found'"),
        ("def f():\n    return 1 / 0\nf()\n", 2, 12, "ZeroDivisionError"),
        ("import sys\nsys.exit('no')\n", 2, 1, "SystemExit: no"),
        (
            HEAD + "        self.addLink('h1', 's1')" + TAIL,
            *(4, 9, "built: no node 'h1'; expected one that addSwitch or addHost has added before"),
        ),
        (
            HEAD + "        self.addSwitch('s3')\n        self.addLink('s3', 's33')" + TAIL,
            *(5, 9, r"built: no node 's33'; did you mean 's3'\?"),
        ),
        ("from mininet.topology import Topo\n", 1, 1, "No module named 'mininet.topology'"),
        ("\nfrom mininet.topo import Topos\n", 2, 1, "ImportError: cannot import name 'Topos'"),
    ],
)
def test_an_error_in_the_file_names_its_line(
    tmp_path: Path, text: str, line: int, column: int, message: str
) -> None:
    file = write(tmp_path, text)
    with pytest.raises(InputError, match=message) as error:
        load_network(str(file))
    assert error.value.faults[0].location == Location(str(file), line, column)


def test_an_error_outside_of_the_file_names_the_file(tmp_path: Path) -> None:
    file = write(tmp_path, "x = '\0'\n")
    with pytest.raises(InputError, match=r"net\.py: the file can't be run: .*null bytes"):
        load_network(str(file))
    file.write_bytes(b"# \xff\n")
    with pytest.raises(InputError, match="expected UTF-8"):
        load_network(str(file))


def test_without_mininet_its_cure_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "mininet"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if not (Path(p) / "mininet").exists()])
    monkeypatch.setattr(load, "mininet_cure", lambda: "do this")
    file = write(tmp_path, HEAD + GOOD + TAIL)
    with pytest.raises(MachineError, match=r"needs Mininet.*; do this; or name a network file \(\.json\)"):
        load_network(str(file))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no topos; expected topos = {'name': Class}"),
        ("topos = []", r"topos is \[\]; expected"),
        ("topos = {}", r"topos is {}; expected"),
        ("topos = {'a': int, 'b': int}", "has several topologies; expected one of a, b, as in .*:NAME"),
        ("topos = {'t': int}", r"net\.py:1:15: t\(\) is 0; expected a mininet.topo.Topo"),
    ],
)
def test_a_file_without_a_topology(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_network(str(write(tmp_path, text)))


def test_an_unknown_name_is_answered_by_a_near_one(tmp_path: Path) -> None:
    file = write(tmp_path, "topos = {'dumbbell': int, 'ring': int}")
    with pytest.raises(InputError, match=r"named 'dumbell'; did you mean dumbbell\?"):
        load_network(f"{file}:dumbell")
    with pytest.raises(InputError, match="named 'xyz'; expected one of dumbbell, ring"):
        load_network(f"{file}:xyz")


PAIR = "s, t = self.addSwitch('s1'), self.addSwitch('s2')\nh = self.addHost('h1')\nself.addLink(h, s, bw=1)\n"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("pass", "no switches; expected one or more; does build() run?"),
        (PAIR + "self.addLink(s, t)", r"cable s1 - s2: no bw; expected its capacity in Mbit/s"),
        (PAIR + "self.addLink(s, t, bw=None)", r"cable s1 - s2: no bw"),
        (
            PAIR + "self.addLink(s, t, bandwidth=12)",
            "cable s1 - s2: no bw, but bandwidth=12; did you mean bw?; expected its capacity",
        ),
        (PAIR + "self.addLink(s, t, params1={'bw': 1})", r"cable s1 - s2: no bw"),
        (PAIR + "self.addLink(s, t, bw=0)", r"cable s1 - s2: bw=0; expected a number of Mbit/s above 0"),
        (PAIR + "self.addLink(s, t, bw=-1.5)", r"cable s1 - s2: bw=-1.5; expected"),
        (PAIR + "self.addLink(s, t, bw='10M')", r"cable s1 - s2: bw='10M'; expected"),
        (PAIR + "self.addLink(s, t, bw=float('nan'))", r"cable s1 - s2: bw=nan; expected"),
        (PAIR + "self.addLink(s, t, bw=float('inf'))", r"cable s1 - s2: bw=inf; expected"),
        (PAIR + "self.addLink(s, t, bw=10**400)", r"cable s1 - s2: bw=1000"),
        (PAIR + "self.addLink(s, t, bw=True)", r"cable s1 - s2: bw=True; expected"),
        *(
            (
                PAIR + f"self.addLink(s, t, bw=1, delay={value})",
                f"cable s1 - s2: delay={value}; expected a time",
            )
            for value in (
                "10",
                "'10'",
                "'10 ms'",
                "'-1ms'",
                "'61s'",
                "'1e400s'",
                "'fast'",
                "True",
                "'5m'",
                "''",
            )
        ),
        *(
            (
                PAIR + f"self.addLink(s, t, bw=1, loss={value})",
                f"cable s1 - s2: loss={value}; expected a number",
            )
            for value in ("100", "-1", "'2%'", "True", "[]")
        ),
        (PAIR + "self.addLink(s, t, bw=1, loss=float('nan'))", "loss=nan; expected a number of per cent"),
        *(
            (
                PAIR + f"self.addLink(s, t, bw=1, {keyword})",
                f"cable s1 - s2: {keyword}; expected none, because",
            )
            for keyword in (
                *("jitter='1ms'", "max_queue_size=100", "latency_ms=5", "speedup=9", "use_hfsc=True"),
                *("use_tbf=True", "enable_ecn=True", "enable_red=True"),
            )
        ),
        (
            PAIR + "self.addLink(s, t, bw=1, params2={'jitter': '2ms'})",
            "cable s1 - s2: jitter='2ms'; expected",
        ),
        (PAIR, "the network is in 2 parts: no links lead to s2; expected one part"),
        (
            PAIR + "self.addLink(s, t, bw=1)\nself.addLink(t, s, bw=1)",
            "several cables between s1 and s2; parallel cables are not supported",
        ),
        (PAIR + "self.addLink(s, t, bw=1)\nself.addHost('h2')", "host h2 has no links; expected one"),
        (
            PAIR + "self.addLink(s, t, bw=1)\nself.addLink(h, t, bw=1)",
            "host h1 has 2 links; expected one, to a switch",
        ),
        (
            PAIR + "self.addLink(s, t, bw=1)\nself.addLink(h, self.addHost('h2'), bw=1)",
            "h1 and h2 are hosts linked to each other; expected a switch between them",
        ),
        (PAIR + "self.addLink(s, t, bw=1)\nself.addLink(s, s, bw=1)", "s1 is linked to itself"),
        (
            PAIR + "self.addLink(s, t, bw=1, port1=1)",
            "port 1 of s1 leads to h1 and s2; expected one of them",
        ),
        (PAIR + "self.addLink(s, t, bw=1, port1=0)", "port 0 of s1; expected 1 to 65279"),
        (PAIR + "self.addLink(s, t, bw=1, port1=65280)", "port 65280 of s1; expected 1 to 65279"),
        (PAIR + "self.addLink(s, t, bw=1, port1='2')", "cable s1 - s2: port '2' of s1; expected a number"),
        (
            PAIR + "self.addLink(s, t, bw=1)\nself.addLink(self.addHost('h2'), t, port1=-1, bw=1)",
            "link h2->s2: port -1 of h2; expected 0 to 65279",
        ),
        (
            PAIR + "self.addLink(t, self.addSwitch('s01'), bw=1)\nself.addLink(s, t, bw=1)",
            "s1 and s01 have the same dpid 0000000000000001; expected one each",
        ),
        (
            PAIR + "self.addLink(s, t, bw=1)\nself.addLink(t, self.addSwitch('core'), bw=1)",
            "switch core: neither a dpid nor a number in its name; expected a name such as s23",
        ),
        ("self.addSwitch('s0')", "switch s0: dpid '0'; expected up to 16 hexadecimal digits, not all 0"),
        ("self.addSwitch('s99999999999999999999')", "dpid '56bc75e2d630fffff'; expected up to 16"),
        ("self.addSwitch('s1', dpid='xyz')", "switch s1: dpid 'xyz'; expected up to 16 hexadecimal"),
        ("self.addSwitch('s1', dpid=5)", "switch s1: dpid 5; expected up to 16 hexadecimal digits"),
        ("self.addSwitch('s1 x')", "name 's1 x'; expected letters, digits"),
        ("self.addSwitch(1)", "node 1: its name is not text; expected one such as s1"),
        (PAIR + "self.addLink(s, t, bw=1)\nself.g.node['h1']['ip'] = None", "host h1: IP address None"),
        (PAIR + "self.addLink(s, t, bw=1)\nself.g.node['h1']['ip'] = 'x'", "IP address 'x'; expected"),
        (PAIR + "self.addLink(s, t, bw=1)\nself.g.node['h1']['ip'] = '::1'", "IP address '::1'; expected"),
        (
            PAIR + "self.addLink(s, t, bw=1)\nself.g.node['h1']['ip'] = '224.0.0.1'",
            "host h1: IP address '224.0.0.1'; expected an IPv4 address of a host",
        ),
        (PAIR + "self.addLink(s, t, bw=1)\nself.g.node['h1']['mac'] = 'x'", "MAC address 'x'; expected"),
        (PAIR + "self.addLink(s, t, bw=1)\nself.g.node['h1']['mac'] = 7", "MAC address 7; expected"),
        (
            PAIR + "self.addLink(s, t, bw=1)\nself.g.node['h1']['mac'] = '01:00:00:00:00:01'",
            "host h1: MAC address '01:00:00:00:00:01'; expected one of a host",
        ),
        (
            PAIR + "self.addLink(s, t, bw=1)\n"
            "self.addLink(self.addHost('h2', ip='10.0.0.1', mac='00:00:00:00:00:01'), t, bw=1)",
            "h1 and h2 have the same MAC address 00:00:00:00:00:01; expected one each",
        ),
        (
            PAIR + "self.addLink(s, t, bw=1)\nself.addLink(self.addHost('h2', ip='10.0.0.1'), t, bw=1)",
            "h1 and h2 have the same IP address 10.0.0.1; expected one each",
        ),
        (
            "self.addLink(self.addSwitch('switch123456'), self.addHost('h1'), bw=1)",
            "switch123456: its interface switch123456-eth1 is longer than Linux allows",
        ),
    ],
)
def test_what_cannot_be_built_is_refused(tmp_path: Path, body: str, message: str) -> None:
    text = refused(tmp_path, body)
    assert message in text
    source = (tmp_path / "net.py").read_text().splitlines()
    for line in text.splitlines():
        place = re.match(r"net\.py:(\d+):(\d+): ", line)
        assert place, line
        row, column = int(place[1]), int(place[2])
        if re.search(r"no switches|the network is in|interface|its name (is not text|has)", line):
            assert (row, column) == (3, 1)
        else:
            # Where Mininet is told of the node or the cable.
            assert source[row - 1][column - 1 :].startswith("self.add"), line


def test_all_faults_are_listed_at_once_and_each_once(tmp_path: Path) -> None:
    body = """s = self.addSwitch('s1')
t = self.addSwitch('core')
self.addLink(s, t)
self.addLink(s, self.addHost('h1', mac='?'), bw=0, delay=3, loss=200)
self.addHost('h2', ip='?')"""
    assert refused(tmp_path, body).splitlines() == [
        "net.py:5:13: switch core: neither a dpid nor a number in its name; expected a name such as s23",
        "net.py:7:25: host h1: MAC address '?'; expected one of a host, such as 00:00:00:00:00:01",
        "net.py:8:9: host h2: IP address '?'; expected an IPv4 address of a host, such as 10.0.0.1",
        "net.py:6:9: cable s1 - core: no bw; expected its capacity in Mbit/s, as in addLink(…, bw=20),"
        " or --bandwidth RATE for all cables that have none",
        "net.py:7:9: cable s1 - h1: bw=0; expected a number of Mbit/s above 0, up to 1000000",
        "net.py:7:9: cable s1 - h1: delay=3; expected a time with its unit, s, ms or us, up to 60 s,"
        " as in delay='10ms'",
        "net.py:7:9: cable s1 - h1: loss=200; expected a number of per cent, 0 to below 100, as in loss=2",
        "net.py:8:9: host h2 has no links; expected one, to a switch",
    ]


def test_a_topo_defined_elsewhere_is_blamed_on_the_file(tmp_path: Path) -> None:
    file = write(tmp_path, "from mininet.topo import SingleSwitchTopo\ntopos = {'t': SingleSwitchTopo}\n")
    with pytest.raises(InputError, match=r"net\.py: cable h1 - s1: no bw"):
        load_network(str(file))


def test_many_nodes_without_links_are_shortened(tmp_path: Path) -> None:
    body = PAIR + "self.addLink(s, t, bw=1)\nfor i in range(10, 20): self.addSwitch(f's{i}')"
    expected = "in 11 parts: no links lead to s10, s11, s12, s13, s14, s15, s16, s17 …;"
    assert expected in refused(tmp_path, body)


def test_a_method_that_is_misspelt_is_named(tmp_path: Path) -> None:
    file = write(tmp_path, "from mininet.topo import Topo\nclass T(Topo):\n    def buid(self): pass\n" + TAIL)
    with pytest.raises(
        InputError,
        match=r"net\.py:3:1: no switches.*; does build\(\) run\? T has buid\(\); did you mean build\(\)\?",
    ):
        load_network(str(file))


def test_a_node_that_is_added_twice_is_the_first_fault(tmp_path: Path) -> None:
    body = PAIR + "self.addLink(s, t, bw=1)\ns = self.addSwitch('s1')\nself.addLink(s, t, bw=1)"
    assert refused(tmp_path, body).splitlines() == [
        "net.py:8:13: s1 is added twice, in line 4 already; expected it once",
        "net.py:7:9: several cables between s1 and s2; parallel cables are not supported",
        "net.py:9:9: several cables between s1 and s2; parallel cables are not supported",
    ]


def test_a_node_that_is_added_twice_may_be_meant(tmp_path: Path) -> None:
    """Mininet takes it, so it is said and nothing more."""
    file = write(tmp_path, HEAD + GOOD + "        self.addSwitch('s1')\n" + TAIL)
    (note,) = load_network(str(file)).notes
    assert note.endswith("warning: s1: is added twice; what is said last holds, as in Mininet")


@pytest.mark.parametrize(
    ("topos", "message"),
    [
        (
            "{'t': T()}",
            r":9: topos\['t'\] is an object of the class T; expected the class, without \(\): \{'t': T\}",
        ),
        ("{'t': 'T'}", r":9: topos\['t'\] is 'T'; expected the class, without quotes"),
        ("{'t': 5}", r":9: topos\['t'\] is 5; expected a class of mininet\.topo\.Topo, without \(\)"),
        ("dict(t=T())", r":1: topos\['t'\] is an object .*; expected the class, without \(\)"),
        (
            "{'t': lambda: T}",
            r":9: t\(\) returns the class T; expected an object of it, as T\(\), or .*class, without \(\)",
        ),
    ],
)
def test_what_is_not_a_class_in_topos_is_refused_at_its_place(
    tmp_path: Path, topos: str, message: str
) -> None:
    text = (HEAD + GOOD + f"\ntopos = {topos}").replace("    topos", "topos")
    # The value stands behind a line break, as a long dictionary is written.
    text = text.replace("{'t': ", "{'t':\n        ")
    file = write(tmp_path, text)
    line = len(text.splitlines())
    with pytest.raises(InputError, match=rf"net\.py:{line}{message}"):
        load_network(str(file))
