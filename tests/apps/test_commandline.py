"""The command line's grammar, as a table: words in, meaning or one clear line out."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from apps.commandline import CommandLine, parse
from apps.usage import UsageError

COMMANDS = ("ping", "serve", "help")
FILES = ("script.py", "notes", "192.168.1.9/program")


def meaning(words: str | list[str]) -> dict[str, Any]:
    """What of a parsed line is not the default, and what it says of the node and the stack."""
    line = parse(words.split() if isinstance(words, str) else words, COMMANDS, FILES.__contains__)
    found, defaults = asdict(line), asdict(CommandLine())
    said = found.pop("node") | found.pop("stack")
    return said | {name: value for name, value in found.items() if value != defaults[name]}


@pytest.mark.parametrize(
    "words, expected",
    [
        ("", {}),
        ("192.168.1.3/24", {"address": ["192.168.1.3/24"]}),
        ("192.168.1.3", {"address": ["192.168.1.3/24"]}),
        ("10.0.0.1/8 10.0.0.2/32", {"address": ["10.0.0.1/8", "10.0.0.2/32"]}),
        ("ping -c 3 10.0.0.1", {"command": "ping", "arguments": ["-c", "3", "10.0.0.1"]}),
        ("1.0.0.2 ping -q --link", {"address": ["1.0.0.2/24"], "command": "ping", "arguments": ["-q", "--link"]}),
        ("-q ping", {"quiet": True, "command": "ping"}),
        ("ping -h", {"command": "ping", "arguments": ["-h"]}),
        ("-h ping", {"is_help": True, "command": "ping"}),
        ("serve echo discard", {"command": "serve", "arguments": ["echo", "discard"]}),
        ("script.py -i 1", {"script": "script.py", "arguments": ["-i", "1"]}),
        ("-i script.py", {"stay": True, "script": "script.py"}),
        ("notes", {"script": "notes"}),
        ("192.168.1.9/program", {"script": "192.168.1.9/program"}),
        ("-", {"script": "-"}),
        ("-- ping", {"command": "ping"}),
        ("--", {}),
        (["-c", "print(1)"], {"code": "print(1)"}),
        (["-c", "x", "10.0.0.1"], {"code": "x", "address": ["10.0.0.1/24"]}),
        ("--link lab", {"link": "lab"}),
        ("--link=tap:tap0", {"link": "tap:tap0"}),
        ("--link packet:eth1 ping", {"link": "packet:eth1", "command": "ping"}),
        ("-g 10.0.0.254", {"gateway": "10.0.0.254"}),
        ("-g10.0.0.254", {"gateway": "10.0.0.254"}),
        ("--gateway=10.0.0.254", {"gateway": "10.0.0.254"}),
        ("--trace", {"trace": ""}),
        ("--trace tcp", {"trace": "tcp"}),
        ("--trace ping x", {"trace": "", "command": "ping", "arguments": ["x"]}),
        ("--trace icmp ping x", {"trace": "icmp", "command": "ping", "arguments": ["x"]}),
        ("--trace 10.0.0.1", {"trace": "", "address": ["10.0.0.1/24"]}),
        ("--trace -q", {"trace": "", "quiet": True}),
        ("--trace script.py", {"trace": "", "script": "script.py"}),
        (["--trace", "tcp port 80", "ping"], {"trace": "tcp port 80", "command": "ping"}),
        ("--color always", {"color": "always"}),
        ("--seed 7", {"seed": 7}),
        ("--set tcp_msl=1 --set acd-probe-num=3", {"tcp_msl": 1.0, "acd_probe_num": 3}),
        ("--set icmp_echo_ignore_all=yes", {"icmp_echo_ignore_all": True}),
        ("--set icmp_echo_ignore_all=0", {"icmp_echo_ignore_all": False}),
        ("--help", {"is_help": True}),
        ("-V", {"is_version": True}),
        ("-dhcp ping x", {"dhcp": True, "command": "ping", "arguments": ["x"]}),
        ("--dhcp 10.0.0.1", {"dhcp": True, "address": ["10.0.0.1/24"]}),
        ("--dns 10.0.0.1,10.0.0.2 --dns=10.0.0.3", {"dns": ["10.0.0.1", "10.0.0.2", "10.0.0.3"]}),
        ("--search lab,example", {"search": ["lab", "example"]}),
        ("--pcap x.pcapng ping", {"pcap": "x.pcapng", "command": "ping"}),
        ("-w - ping x", {"pcap": "-", "command": "ping", "arguments": ["x"]}),
        ("-w- ping", {"pcap": "-", "command": "ping"}),
        ("--trace-format=tree --trace arp", {"trace_format": "tree", "trace": "arp"}),
        ("--config my.toml", {"config": "my.toml"}),
        ("--no-config", {"reads_config": False}),
        ("--print-config", {"is_print_config": True}),
    ],
)
def test_what_a_line_means(words: str | list[str], expected: dict[str, Any]) -> None:
    assert meaning(words) == expected


@pytest.mark.parametrize(
    "words, line",
    [
        ("192.168.1.300/24", "300"),
        ("192.168.1.3/33", "0 to 32"),
        ("1.2.3", "1.2.3"),
        ("5", "'5'"),
        ("fe80::1/64", "fe80::1/64: IPv6 is not built yet"),
        ("pong 10.0.0.1", "'pong' is no command, file or address; the commands are help, ping, serve"),
        ("missing.py", "there is no file 'missing.py'"),
        ("./tool", "there is no file './tool'"),
        ("--dns here", "--dns: "),
        ("--dns 10.0.0.1,x", "--dns: "),
        ("--dns ::1", "IPv6 is not built yet"),
        ("-dhcp=yes", "there is no option -dhcp=yes"),
        ("-x", "there is no option -x"),
        ("-iq", "there is no option -iq"),
        ("--lin lab", "there is no option --lin; did you mean --link? --help lists them"),
        ("--pcap=", "--pcap is a file, and has no name"),
        ("--trace-format pretty", "--trace-format is one of columns, tcpdump, tree, not 'pretty'"),
        ("--config", "--config needs a value"),
        ("--trace tcp port 80 ping", "'port' is no command"),
        ("--trace tcp port 80 ping", "a filter of several words stands in quotes"),
        ("--set tcp_retries2=3", "there is no setting 'tcp_retries2'; what Linux calls so is tcp_retries here"),
        ("--set tpc_msl=1", "did you mean tcp_msl?"),
        ("--seed 99999999999999999999", "--seed is a whole number of at most 64 bits"),
        ("--help=yes", "--help takes no value"),
        ("--link", "--link needs a value"),
        ("--link bridge", "--link is tap:NAME, packet:INTERFACE, lab or sim, not 'bridge'"),
        ("--link tap:", "--link is tap:NAME"),
        ("--link lab:x", "--link is tap:NAME"),
        ("-g nowhere", "-g: "),
        ("-g ::1", "IPv6 is not built yet"),
        ("--color pink", "--color is one of auto, always, never, not 'pink'"),
        ("--seed x", "--seed is a whole number of at most 64 bits, not 'x'"),
        ("--set tcp_msl", "--set takes NAME=VALUE, not 'tcp_msl'"),
        ("--set nonsense=1", "there is no setting 'nonsense'"),
        ("--set __init__=1", "there is no setting '__init__'"),
        ("--set tcp_msl=-1", "tcp_msl is from 0.0 to 240.0 s, not -1.0"),
        ("--set tcp_dupacks=2.5", "tcp_dupacks is a whole number"),
        ("--set tcp_dupacks=many", "--set tcp_dupacks is a number, not 'many'"),
        ("-c x ping", "-c CODE and 'ping': one of them, please"),
    ],
)
def test_a_line_that_makes_no_sense_is_one_clear_line(words: str, line: str) -> None:
    with pytest.raises(UsageError) as caught:
        meaning(words)
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)
