"""conf: what it shows of the stack's settings, and that it sets all that it is told to, or nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from apps.conf import Conf, Table, command, lines, table, typed
from apps.node import Node
from apps.settings import SETTINGS, TUNABLES, Settings
from apps.shell.completion import complete

MSL = """\
   name     value  default  source
*  tcp_msl  1.5 s  30       RFC 9293 3.4.1 (there 120)  TIME-WAIT is twice this"""


@pytest.fixture(scope="module")
def shared() -> Iterator[Node]:
    with Node("10.0.0.2/24", link="sim", acd_probe_num=0) as node:
        yield node


@pytest.fixture
def node(shared: Node) -> Node:
    for name, tunable in TUNABLES.items():
        shared.stack.config.set(name, tunable.default)
    return shared


def names(rows: Table) -> list[str]:
    return [row.name for row in rows]


def test_all_of_them_with_value_unit_default_source_and_text(node: Node) -> None:
    conf = Conf(node)
    shown = repr(conf).splitlines()
    assert len(shown) == len(TUNABLES) + 1
    for tunable, line in zip(TUNABLES.values(), shown[1:]):
        assert line.split()[0] == tunable.name  # none is marked
        assert tunable.unit in line and line.endswith(tunable.text)
    assert len({line.index(t.source) for t, line in zip(TUNABLES.values(), shown[1:])}) == 1  # aligned


def test_what_is_changed_is_marked(node: Node) -> None:
    conf = Conf(node)
    conf.tcp_msl = 1.5
    assert repr(conf("tcp_msl")) == MSL
    assert [line[0] for line in repr(conf).splitlines()].count("*") == 1
    conf.tcp_msl = 30
    assert not conf("tcp_msl")[0].is_changed


@pytest.mark.parametrize(
    "word, expected",
    [
        ("tcp_msl", ["tcp_msl"]),
        ("keepalive", ["tcp_keepalive_time", "tcp_keepalive_interval", "tcp_keepalive_probes"]),
        ("tcp_rto_min_us", ["tcp_min_rto"]),  # Linux's name
        ("time-wait", ["tcp_msl", "tcp_max_tw_buckets"]),
        ("RFC 5961", ["tcp_challenge_ack_limit"]),
    ],
)
def test_a_word_chooses_by_name_then_by_linux_s_then_by_meaning(word: str, expected: list[str]) -> None:
    assert names(table({}, {}, [word])) == expected


def test_a_narrow_terminal_has_two_lines_for_each() -> None:
    rows = table({"tcp_msl": 1.5}, {"tcp_msl": "GLASSTACK_TCP_MSL"}, ["tcp_msl", "port"])
    assert lines(rows, 79) == [
        "*  tcp_msl    1.5 s  (default 30)",
        "     TIME-WAIT is twice this (GLASSTACK_TCP_MSL); RFC 9293 3.4.1 (there 120)",
        "   port_low   32768  (default 32768)",
        "     first ephemeral port; RFC 6056 3.2",
        "   port_high  60999  (default 60999)",
        "     last ephemeral port; RFC 6056 3.2",
    ]
    assert len(lines(rows, 200)) == len(lines(rows)) == 4


def test_it_sets_what_the_node_goes_by(node: Node) -> None:
    conf = Conf(node)
    assert conf(tcp_msl=1, tcp_retries=3)[0].value == conf.tcp_retries == 3
    assert (node.stack.config.tcp_msl, node.conf("tcp_msl")[0].value) == (1.0, 1.0)
    assert names(node.conf("dupacks", tcp_msl=2)) == ["tcp_msl", "tcp_dupacks"]
    assert node.ping("10.0.0.2", count=1, quiet=True)
    conf.icmp_echo_ignore_all = True
    assert not node.ping("10.0.0.2", count=1, timeout=0.05, quiet=True)  # it goes by it at once


@pytest.mark.parametrize(
    "settings, line",
    [
        ({"tcp_msl": -1}, "tcp_msl is from 0.0 to 240.0 s, not -1"),
        ({"tcp_msl": "1"}, "tcp_msl is a number, not '1'"),
        ({"tcp_retries": 1.5}, "tcp_retries is a whole number, not 1.5"),
        ({"icmp_echo_ignore_all": 1}, "icmp_echo_ignore_all is true or false, not 1"),
        ({"tpc_msl": 1}, "there is no setting 'tpc_msl'; did you mean tcp_msl?"),
        ({"port_low": 61000}, "port_low 61000 is above port_high 60999"),
    ],
)
def test_nonsense_is_one_line_and_sets_nothing(node: Node, settings: dict[str, object], line: str) -> None:
    conf = Conf(node)
    with pytest.raises(ValueError, match=f"^{re.escape(line)}"):
        conf(tcp_dupacks=5, **settings)
    with pytest.raises(ValueError, match=f"^{re.escape(line)}"):
        setattr(conf, *next(iter(settings.items())))
    assert not any(row.is_changed for row in conf())
    name, value = next(iter(settings.items()))
    if name != "icmp_echo_ignore_all" and not isinstance(value, str):
        with pytest.raises(ValueError, match=f"^{re.escape(line.removesuffix(repr(value)))}"):
            conf(f"{name} = {value}")
    with pytest.raises(AttributeError, match="did you mean tcp_msl"):
        _ = conf.tpc_msl
    with pytest.raises(ValueError, match="there is no setting 'tcp_msk'; did you mean tcp_msl"):
        conf("tcp_msk")


def test_at_the_prompt_its_names_are_completed(node: Node) -> None:
    namespace = {"conf": Conf(node)}
    assert complete("conf.tcp_keep", namespace, node).words == sorted(n for n in TUNABLES if n.startswith("tcp_keep"))
    assert complete("conf('tcp_ms", namespace, node).words == ["tcp_msl"]
    assert complete("conf(tcp_ms", namespace, node).words == ["tcp_msl="]
    assert complete("conf tcp_ms", namespace, node).words == ["tcp_msl"]


def test_typed_as_a_command(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed(node, ["tcp_msl=1.5"]) == 0
    assert capsys.readouterr().out == MSL + "\n"
    assert node.stack.config.tcp_msl == 1.5
    assert typed(node, ["tcp_msl=x"]) == 2
    assert capsys.readouterr() == ("", "conf: tcp_msl is a number, not 'x'\n")
    assert typed(node, ["--json", "tcp_msl"]) == 0
    assert [row["value"] for row in json.loads(capsys.readouterr().out)["stack"]] == [1.5]


# --- without a node

SAID = Settings(dhcp=True, dns=["10.0.0.1"], stack={"tcp_msl": 1.5})
SAID.origins = {"dhcp": "the command line", "dns": "./glasstack.toml", "tcp_msl": "GLASSTACK_TCP_MSL"}


def test_the_command_says_what_holds_and_who_has_said_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert command(SAID, []) == 0
    node, _, stack = capsys.readouterr().out.partition("\n\n")
    assert len(node.splitlines()) == len(SETTINGS) and len(stack.splitlines()) == len(TUNABLES) + 1
    assert re.search(r"^dhcp +true +\(the command line\)$", node, re.MULTILINE)
    assert re.search(r'^dns +\["10\.0\.0\.1"\] +\(\./glasstack\.toml\)$', node, re.MULTILINE)
    assert re.search(r"^address +192\.168\.1\.3/24$", node, re.MULTILINE)
    assert re.search(r"^\*  tcp_msl .*TIME-WAIT is twice this \(GLASSTACK_TCP_MSL\)$", stack, re.MULTILINE)


def test_the_command_for_some(capsys: pytest.CaptureFixture[str]) -> None:
    assert command(SAID, ["link", "dns"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["link", "dns"]
    assert command(SAID, ["link", "tcp_msl"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines() if line] == ["link", "name", "*"]


def test_the_command_s_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert command(SAID, ["--json", "dhcp", "tcp_msl"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "node": {"dhcp": {"value": True, "origin": "the command line"}},
        "stack": [
            {
                "name": "tcp_msl", "value": 1.5, "unit": "s", "default": 30.0, "low": 0.0, "high": 240.0,
                "rfc": "RFC 9293 3.4.1 (there 120)", "text": "TIME-WAIT is twice this",
                "sysctl": "TCP_TIMEWAIT_LEN / 2", "origin": "GLASSTACK_TCP_MSL",
            }
        ],
    }  # fmt: skip
    assert command(SAID, ["--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert set(document["node"]) == set(SETTINGS) and len(document["stack"]) == len(TUNABLES)


@pytest.mark.parametrize(
    "arguments, line",
    [
        (["nosuch"], "conf: there is no setting 'nosuch'\n"),
        (["tcp_msl=1"], "conf: no node is running on which to set tcp_msl; ./node.py --set starts one so\n"),
        (["-x"], "conf: invalid option -- 'x'\n\nusage: conf "),
    ],
)
def test_a_command_that_makes_no_sense(arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(SAID, arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith(line)
