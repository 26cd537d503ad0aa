"""DHCP and DNS with others' programs on a real kernel: dnsmasq, udhcpc, dig and glibc, each in a lab of its own."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from services import Services
from stack.autoconf.lease import Known
from stack.config import Config
from stack.engine import Engine
from stack.link.lab import Lab, open_lab
from stack.resolver import Resolver
from stack.socket import SocketModule
from stack.stack import Stack
from stack.wire import dns, dns_text
from stack.wire.address import format_ip, parse_ip
from stack.wire.dns import Question
from stack.wire.name import parse_name
from tests import needs
from tests.live.conftest import VIAS
from tests.patience import PATIENCE, eventually

pytestmark = pytest.mark.live

OURS = parse_ip("10.9.0.2")


class Site:
    """A lab, a node on its link without an address, and what happened to its lease."""

    def __init__(self, files: Path, services: tuple[str, ...] = (), via: str | None = None) -> None:
        with needs.lab():
            self.lab: Lab = open_lab(OURS, 24, services=services, via=via)
        assert not self.lab.trouble, self.lab.trouble
        self.files = files
        self.engine = Engine(Stack(Config(random.Random(), os.urandom(16))))
        self.interface = self.engine.attach(self.lab.device)
        self.socket = SocketModule(self.engine)
        self.resolver = Resolver(self.socket)
        self.events: list[str] = []
        self.programs: list[subprocess.Popen[str]] = []
        self.engine.stack.observers.append(self)

    def on_frame(self, *frame: Any) -> None:
        pass

    def on_event(self, event: Any, now: float) -> None:
        if type(event).__name__.startswith("Lease"):
            self.events.append(str(event))

    def close(self) -> None:
        self.engine.close()
        for program in self.programs:
            program.terminate()
            program.wait(PATIENCE)
        self.lab.close()

    def popen(self, *argv: str, **options: Any) -> subprocess.Popen[str]:
        needs.programs(argv[0])
        program = self.lab.popen(argv, text=True, **options)
        self.programs.append(program)
        return program

    def output(self, *argv: str) -> str:
        said, _ = self.popen(*argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT).communicate(timeout=PATIENCE)
        return str(said)

    def dnsmasq(self, *options: str, name: str = "dnsmasq", start: str = "10.9.0.50") -> Dnsmasq:
        return Dnsmasq(self, name, [f"--dhcp-range={start},10.9.0.60,255.255.255.0,2m", *options])

    def start(self, known: Known | None = None) -> Any:
        with self.engine as engine:
            return engine.stack.dhcp.start(self.interface, engine.now(), known=known, hostname="glass")

    def wait(self, predicate: Callable[[], object], timeout: float = PATIENCE) -> None:
        with self.engine as engine:
            assert engine.wait(predicate, timeout), self.events

    def stop(self) -> None:
        with self.engine as engine:
            engine.stack.dhcp.stop(self.interface, engine.now())

    def release(self) -> None:
        with self.engine as engine:
            engine.stack.dhcp.release(self.interface, engine.now())
        self.wait(lambda: self.engine.stack.dhcp.on(self.interface) is None)

    def take_address(self) -> None:
        with self.engine as engine:
            engine.stack.add_address(self.interface, OURS, 24, engine.now())
        self.wait(lambda: self.interface.addresses)


class Dnsmasq:
    """A dnsmasq on the lab's kernel, and its log."""

    def __init__(self, site: Site, name: str, options: list[str]) -> None:
        self.log = site.files / f"{name}.log"
        self.program = site.popen(
            "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--pid-file=", "--user=root", "--no-hosts",
            "--no-resolv", "--interface=lab0", "--bind-interfaces", "--no-ping", "--log-dhcp", "--domain=lab",
            "--local=/lab/", "--address=/www.lab/10.9.0.80", f"--log-facility={self.log}",
            f"--dhcp-leasefile={site.files / name}.leases", *options,
        )  # fmt: skip
        assert eventually(lambda: "started" in self.text()), self.text()

    def text(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    def messages(self) -> list[str]:
        """The DHCP messages it got and sent, as it logged them."""
        return re.findall(r"DHCP(DISCOVER|OFFER|REQUEST|ACK|NAK|RELEASE|DECLINE)\(", self.text())

    def has_logged(self, *messages: str) -> bool:
        return eventually(lambda: self.messages() == list(messages))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.close()


@pytest.fixture(params=VIAS)
def any_site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """Over each kind of link in turn."""
    made = Site(tmp_path, via=request.param)
    yield made
    made.close()


# --- our client and dnsmasq


def test_lease_renewal_and_release_are_in_dnsmasq_s_log(any_site: Site) -> None:
    site = any_site
    server = site.dnsmasq(
        "--dhcp-option=option:mtu,1400", "--dhcp-option=58,3", "--dhcp-option=59,4",
        "--dhcp-option=121,10.8.0.0/16,10.9.0.7,0.0.0.0/0,10.9.0.1", "--dhcp-option=119,lab,eng.lab",
    )  # fmt: skip
    client = site.start()
    site.wait(lambda: client.lease)
    lease = client.lease
    assert site.interface.mtu == 1400 and lease.prefixlen == 24 and lease.server == site.lab.peer
    assert [str(route) for route in site.engine.stack.routes if route.gateway] == [
        f"10.8.0.0/16 via 10.9.0.7 dev lab src {format_ip(lease.address)}",
        f"default via 10.9.0.1 dev lab src {format_ip(lease.address)}",
    ]
    assert [str(name) for name in lease.search] == ["lab.", "eng.lab."]
    # The address works, and so does the name server that came with it.
    assert site.socket.gethostbyname("www") == "10.9.0.80"
    assert site.socket.gethostbyname("glass") == format_ip(lease.address)
    site.wait(lambda: client.lease.bound_at > lease.bound_at)
    site.release()
    assert server.has_logged("DISCOVER", "OFFER", "REQUEST", "ACK", "REQUEST", "ACK", "RELEASE")
    assert site.interface.addresses == [] and site.interface.mtu == 1500
    assert any(line.endswith("renewed for 120 s") for line in site.events)


def test_rebinding_to_a_second_server(site: Site) -> None:
    first = site.dnsmasq("--dhcp-option=58,2", "--dhcp-option=59,3")
    client = site.start()
    site.wait(lambda: client.lease)
    address = client.lease.address
    first.program.terminate()
    first.program.wait(PATIENCE)
    # The first server's address is gone with it; another host's takes over.
    assert site.lab.run("ip addr del 10.9.0.1/24 dev lab0 && ip addr add 10.9.0.7/24 dev lab0") == 0
    second = site.dnsmasq("--dhcp-authoritative", name="second")
    site.wait(lambda: client.lease is not None and client.lease.server == parse_ip("10.9.0.7"))
    assert client.lease.address == address
    states = [line.rpartition(" ")[2] for line in site.events if "->" in line]
    assert states[states.index("BOUND") :] == ["BOUND", "RENEWING", "REBINDING", "BOUND"]
    assert second.has_logged("REQUEST", "ACK")


def test_the_old_address_after_a_restart_and_a_nak_in_another_network(site: Site) -> None:
    server = site.dnsmasq("--dhcp-authoritative")
    client = site.start()
    site.wait(lambda: client.lease)
    address, expires_at = client.lease.address, client.lease.expires_at
    site.stop()
    client = site.start(Known(address, expires_at))
    site.wait(lambda: client.lease)
    assert client.lease.address == address
    assert server.has_logged("DISCOVER", "OFFER", "REQUEST", "ACK", "REQUEST", "ACK")
    site.stop()
    client = site.start(Known(parse_ip("192.168.77.7"), expires_at))
    site.wait(lambda: client.lease)
    assert client.lease.address == address
    assert server.messages()[6:] == ["REQUEST", "NAK", "DISCOVER", "OFFER", "REQUEST", "ACK"]
    (refused,) = [line for line in site.events if "refused" in line]
    assert refused.startswith("lab: 10.9.0.1 refused the lease: wrong ")  # address, or network


def test_names_that_dnsmasq_knows_and_does_not(site: Site) -> None:
    site.dnsmasq("--host-record=both.lab,10.9.0.81,fd00::81,60", "--cname=alias.lab,both.lab", "--txt-record=t.lab,x")
    client = site.start()
    site.wait(lambda: client.lease)
    ours = site.socket
    assert ours.gethostbyname_ex("alias") == ("both.lab", ["alias.lab"], ["10.9.0.81"])
    assert ours.getaddrinfo("both", 80, ours.AF_INET6, ours.SOCK_STREAM)[0][4][0] == "fd00::81"
    assert ours.gethostbyaddr("10.9.0.81") == ("both.lab", [], ["10.9.0.81"])
    for name, number in (("nosuch.lab", socket.EAI_NONAME), ("t.lab", socket.EAI_NODATA)):
        with pytest.raises(socket.gaierror) as caught:
            ours.gethostbyname(name)
        assert caught.value.errno == number


def test_our_services_on_the_kernel_s_sockets(tmp_path: Path) -> None:
    site = Site(tmp_path, ("dhcp=10.9.0.1/24,domain=lab,lease=600", "dns"))
    try:
        client = site.start()
        site.wait(lambda: client.lease)
        assert format_ip(client.lease.address) == "10.9.0.128"
        assert site.socket.gethostbyname_ex("www") == ("lab", ["www.lab"], ["10.9.0.1"])
        began = client.lease.bound_at
        with site.engine as engine:
            engine.stack.dhcp.renew(site.interface, engine.now())
        site.wait(lambda: client.lease.bound_at > began)
        site.release()
    finally:
        site.close()


# --- udhcpc and our server

SCRIPT = """#!/bin/sh
echo "$1 ip=$ip/$mask router=$router dns=$dns domain=$domain mtu=$mtu lease=$lease serverid=$serverid" >> "{}"
case $1 in
bound) ip addr add "$ip/$mask" dev "$interface" ;;
deconfig) ip addr flush dev "$interface" ;;
esac
"""


def test_udhcpc_gets_keeps_and_returns_an_address_of_ours(any_site: Site) -> None:
    site = any_site
    site.take_address()
    services = Services(site.socket, site.socket.selectors, site.engine.spawn)
    service: Any = services.start("dhcp", setting="10.9.0.2/24 pool=10.9.0.100-10.9.0.110 domain=lab mtu=1400")
    said, script = site.files / "said", site.files / "script"
    script.write_text(SCRIPT.format(said))
    script.chmod(0o755)
    client = site.popen("udhcpc", "-i", "lab0", "-f", "-t", "5", "-T", "1", "-s", str(script), "-x", "hostname:kernel",
                        "-O", "mtu", stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)  # fmt: skip

    def lines() -> list[str]:
        return said.read_text().splitlines() if said.exists() else []

    given = "ip=10.9.0.100/24 router=10.9.0.2 dns=10.9.0.2 domain=lab mtu=1400 lease=3600 serverid=10.9.0.2"
    assert eventually(lambda: f"bound {given}" in lines()), lines()
    assert re.fullmatch(r"1 lease \(10\.9\.0\.100 [0-9a-f:]{17} kernel\), 2 datagrams answered", service.counts())
    bound_at = service.pool.bound(0.0)[0].expires_at
    client.send_signal(signal.SIGUSR1)  # renew: a unicast from the address that it has
    assert eventually(lambda: f"renew {given}" in lines()), lines()
    assert service.pool.bound(0.0)[0].expires_at > bound_at
    client.send_signal(signal.SIGUSR2)  # release
    assert eventually(lambda: not service.pool.bound(site.engine.now())), service
    services.close()


# --- dig and our server

ZONE = """\
$ORIGIN lab.
@ 60 SOA ns hostmaster 1 1h 15m 1w 30
@ NS ns
@ MX 10 mail
ns A 10.9.0.2
mail A 10.9.0.3
www A 10.9.0.80
www AAAA fd00::80
seven.x A 10.9.0.7
a-rather-long-name-for-a-host A 10.9.0.4
a-rather-long-name-for-a-host-it-is A 10.9.0.4
alias CNAME www
t TXT "hello \\"world\\"" "b\\\\ack;slash" "\\001\\200"
_http._tcp SRV 0 5 80 www
u TYPE65280 \\# 3 ABCDEF
v TYPE65280 \\# 100 """ + "AB" * 100 + """
w TYPE65280 \\# 0
odd\\.dot\\;semi\\@at\\$dollar\\032space\\(paren A 1.1.1.1
""" + "".join(f"big A 10.1.0.{number}\n" for number in range(1, 200))  # fmt: skip


def test_dig_shows_what_we_show(site: Site) -> None:
    """Every line of dig's between the header and the statistics, against `format_message` of the same answer."""
    site.take_address()
    services = Services(site.socket, site.socket.selectors, site.engine.spawn)
    (site.files / "lab.zone").write_text(ZONE)
    service: Any = services.start("dns", setting=str(site.files / "lab.zone"))
    asked = [
        "www.lab A", "www.lab AAAA", "WWW.lab A", "lab SOA", "lab NS", "lab MX", "seven.x.lab A", "alias.lab A",
        "a-rather-long-name-for-a-host.lab A", "a-rather-long-name-for-a-host-it-is.lab A", "t.lab TXT",
        "_http._tcp.lab SRV", "u.lab TYPE65280", "v.lab TYPE65280", "w.lab TYPE65280", "lab ANY", "nosuch.lab A",
        "www.lab MX", "www.lab HTTPS", "www.other A", "lab CH TXT", "big.lab A +tcp", "www.lab A +noedns",
        "odd\\.dot\\;semi\\@at\\$dollar\\032space\\(paren.lab A", "www.lab A +norecurse", "big.lab A",
    ]  # fmt: skip
    for words in map(str.split, asked):
        said = site.output("dig", "@10.9.0.2", "+tries=1", "+timeout=20", *words)
        theirs = re.search(r"(;; ->>HEADER<<-.*?, id: (\d+).*?)\n;; Query time", said, re.DOTALL)
        assert theirs is not None, said
        flags = dns.AD | (0 if "+norecurse" in words else dns.RD)
        cls = dns.CH if "CH" in words else dns.IN
        kind = dns_text.type_number(words[2] if cls == dns.CH else words[1])
        query = dns.query(
            int(theirs[2]), Question(parse_name(words[0] + "."), kind, cls),
            None if "+noedns" in words else 1232, flags,
        )  # fmt: skip
        is_tcp = words[0] == "big.lab"
        assert ("Truncated, retrying in TCP mode" in said) == (words == ["big.lab", "A"])
        reply = service.reply_to(dns.emit(query), ("10.9.0.1", 9), 0xFFFF if is_tcp else 1232)
        assert "\n".join(dns_text.format_message(dns.parse(reply))) == theirs[1]
    services.close()


# --- glibc and our resolver, on the same server

GLIBC = """
import json, socket, sys
said = {}
for name in sys.argv[1:]:
    try:
        said[name] = sorted({info[4][0] for info in socket.getaddrinfo(name, 80, socket.AF_INET)})
    except OSError as e:
        said[name] = list(e.args)
json.dump(said, sys.stdout)
"""


def test_our_getaddrinfo_says_what_glibc_s_says(tmp_path: Path) -> None:
    (tmp_path / "lab.zone").write_text(ZONE + "lost CNAME nosuch\nround CNAME square\nsquare CNAME round\n")
    site = Site(tmp_path, (f"dns={tmp_path / 'lab.zone'}",))
    try:
        site.take_address()
        resolver = Resolver(site.socket, [format_ip(site.lab.peer)])
        names = [
            "www.lab", "www.lab.", "alias.lab", "big.lab", "nosuch.lab", "t.lab", "lost.lab", "www.other", "round.lab",
            "nosuch", "10.9.0.7", "localhost", "", "with space",
        ]  # fmt: skip
        said = site.popen(sys.executable, "-c", GLIBC, *names, stdout=subprocess.PIPE)
        theirs = json.loads(said.communicate(timeout=60)[0])
        ours: dict[str, list[Any]] = {}
        for name in names:
            try:
                ours[name] = sorted({info[4][0] for info in site.socket.getaddrinfo(name, 80, socket.AF_INET)})
            except OSError as e:
                ours[name] = list(e.args)
        assert ours == theirs
        assert resolver.query(parse_name("round.lab.")).message.rcode == dns.NOERROR
    finally:
        site.close()
