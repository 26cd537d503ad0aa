"""Our dns and Debian's dig side by side: the same words, the same servers (dnsmasq, our own), the same lines."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apps.dns import command
from node import Node
from tests import needs
from tests.live.test_dhcp_dns import ZONE
from tests.patience import PATIENCE, eventually

pytestmark = pytest.mark.live
KERNEL = "10.9.0.1"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node with our dns service at 5353, whose lab runs dnsmasq at 54."""
    needs.programs("dig", "dnsmasq")
    files = tmp_path_factory.mktemp("dns")
    (files / "lab.zone").write_text(ZONE)
    with needs.lab():
        made = Node("10.9.0.2/24", link="lab")
    with made:
        yield from serving(made, files)


def serving(node: Node, files: Path) -> Iterator[Node]:
    assert node.lab is not None
    log = files / "log"
    dnsmasq = node.lab.popen(
        ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--pid-file=", "--user=root", "--no-hosts",
         "--no-resolv", "--interface=lab0", "--bind-interfaces", "--port=54", f"--log-facility={log}",
         "--local=/lab/", "--address=/www.lab/10.9.0.80", "--mx-host=www.lab,mail.lab,10", "--txt-record=t.lab,a b,c",
         "--srv-host=_http._tcp.lab,www.lab,80", "--cname=alias.lab,www.lab",
         "--ptr-record=80.0.9.10.in-addr.arpa,www.lab"],
    )  # fmt: skip
    service = node.services.start("dns", 5353, setting=str(files / "lab.zone"))
    assert eventually(lambda: log.exists() and "started" in log.read_text())
    try:
        yield node
    finally:
        dnsmasq.terminate()
        dnsmasq.wait(PATIENCE)
    assert not service.loop.last_fault


def theirs(node: Node, words: list[str]) -> tuple[int, str]:
    assert node.lab is not None
    dig = node.lab.popen(["dig", "+nocookie", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    out, _ = dig.communicate(timeout=PATIENCE)
    return dig.returncode, out


def normal(out: str) -> str:
    """Without what differs between any two runs, and dig's own name."""
    out = re.sub(r"\n?; <<>> .*\n(; \(1 server found\)\n)?", "", out)
    return re.sub(r"(id:|Query time:|WHEN:) .*", r"\1", out)


ASKED = [
    "www.lab", "www.lab MX", "nosuch.lab", "-x 10.9.0.80", "alias.lab", "t.lab TXT", "_http._tcp.lab SRV",
    "www.lab +tcp", "WWW.lab AAAA +noedns +norecurse", "www.lab ANY", "www.other",
    "version.bind TXT CH", "www.lab TYPE999",
    "www.lab +noall +answer", "www.lab +noall +question", "www.lab +nocomments", "www.lab +noall +comments",
    "t.lab txt +short", "alias.lab +short", "nosuch.lab +short", "mx www.lab +short", "www.lab +bufsize=512 +cdflag",
    "www.lab +nostats +nocmd +noquestion", "+noall +answer www.lab mx alias.lab", "-q www.lab -t mx -c in",
]  # fmt: skip


def test_what_dnsmasq_says_is_shown_as_dig_shows_it(node: Any, capsys: pytest.CaptureFixture[str]) -> None:
    for words in ASKED:
        whole = [f"@{KERNEL}", "-p", "54", *shlex.split(words)]
        code, out = theirs(node, whole)
        assert command(node, whole) == code == 0, words
        assert normal(capsys.readouterr().out) == normal(out), words


OF_OURS = [
    "www.lab", "lab SOA", "lab NS", "lab MX", "seven.x.lab", "big.lab", "big.lab +noall +answer", "u.lab TYPE65280",
    "v.lab TYPE65280", "odd\\\\.dot\\\\;semi\\\\@at\\\\$dollar\\\\032space\\\\(paren.lab", "t.lab TXT",
    "a-rather-long-name-for-a-host-it-is.lab", "nosuch.lab", "www.other",
]  # fmt: skip


def test_and_what_our_own_server_says(node: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """dig asks the node's server over the link; dns asks it over the node's own loopback."""
    for words in OF_OURS:
        whole = ["@10.9.0.2", "-p", "5353", "+tries=1", "+timeout=20", *shlex.split(words)]
        code, out = theirs(node, whole)
        assert command(node, whole) == code == 0, words
        assert sorted(normal(capsys.readouterr().out).splitlines()) == sorted(normal(out).splitlines()), words


SILENT = [
    (f"www.lab @{KERNEL} -p 59 +tries=2", 9),
    (f"www.lab @{KERNEL} -p 59 +tries=2 +tcp", 9),
    ("www.lab @10.9.0.77 +time=1 +tries=1", 9),
    ("www.lab @10.77.0.1 +tries=2", 9),
    ("www.lab @10.77.0.1 +tries=1 +tcp", 9),
    ("-Q www.lab", 1),
    ("www..lab", 10),
    ("-p x www.lab", 1),
]


def test_failures_have_dig_s_words_and_exit_codes(node: Any, capsys: pytest.CaptureFixture[str]) -> None:
    for words, expected in SILENT:
        code, out = theirs(node, words.split())
        assert command(node, words.split()) == code == expected, words
        if expected == 9:
            # The kernel gives up the neighbour before a second is over; our own cache takes as long as RFC 4861 has it.
            ours = normal(capsys.readouterr().out).replace("host unreachable", "timed out")
            assert ours == normal(out).replace("host unreachable", "timed out"), words
