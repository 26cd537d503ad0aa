"""Settings: what each source may say, who has the last word, and that nonsense is one clear line with file and line."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example as such_as
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.settings import SETTINGS, TUNABLES, Layer, Settings, SettingsError, example, merge
from apps.settings.sources import OTHERS, find, from_environment, from_file, user_file

ROOT = Path(__file__).parents[2]


def of_file(text: str) -> dict[str, Any]:
    layer = from_file(text.encode(), "FILE")
    assert layer.origins == dict.fromkeys([*layer.node, *layer.stack], "FILE")
    return layer.node | layer.stack


@pytest.mark.parametrize(
    "text, expected",
    [
        ("", {}),
        ("# nothing\n\n[stack]\n", {}),
        ('link = "sim"', {"link": "sim"}),
        ('link = "tap:tap1"\ndhcp = true', {"link": "tap:tap1", "dhcp": True}),
        ('address = "10.0.0.1/8"', {"address": ["10.0.0.1/8"]}),
        ('address = ["10.0.0.1", "10.0.0.2/8"]', {"address": ["10.0.0.1/24", "10.0.0.2/8"]}),
        ('dns = "10.0.0.1, 10.0.0.2"\nsearch = ["lab"]', {"dns": ["10.0.0.1", "10.0.0.2"], "search": ["lab"]}),
        ("trace = true", {"trace": ""}),
        ("trace = false", {"trace": None}),
        ('trace = "tcp port 80"', {"trace": "tcp port 80"}),
        ("seed = -5", {"seed": -5}),
        ('pcap = "~/x.pcapng"', {"pcap": os.path.expanduser("~/x.pcapng")}),
        ("history = false", {"history": ""}),
        ("[stack]\ntcp_msl = 1\nicmp_echo_ignore_all = true", {"tcp_msl": 1.0, "icmp_echo_ignore_all": True}),
        ("stack.tcp_msl = 1", {"tcp_msl": 1.0}),
        ("stack = { tcp_retries = 3 }", {"tcp_retries": 3}),
    ],
)
def test_what_a_file_may_say(text: str, expected: dict[str, Any]) -> None:
    assert of_file(text) == expected


@pytest.mark.parametrize(
    "text, line",
    [
        ('\n\nlinks = "sim"', "FILE:3: there is no setting 'links'; did you mean link?"),
        ("xyz = 1", "FILE:1: there is no setting 'xyz'"),
        ("tcp_msl = 1", "FILE:1: there is no setting 'tcp_msl'; tcp_msl belongs under [stack]"),
        ('[stack]\n\nlink = "sim"', "FILE:3: link belongs above [stack]"),
        ("[stack]\ntpc_msl = 1", "FILE:2: there is no setting 'tpc_msl'; did you mean tcp_msl?"),
        (
            "[stack]\ntcp_keepalive_intvl = 5",
            "FILE:2: there is no setting 'tcp_keepalive_intvl'; what Linux calls so is tcp_keepalive_interval here",
        ),
        ("[stakc]\ntcp_msl = 1", "FILE:1: there is no setting 'stakc'; did you mean stack?"),
        ("stack = 3", "FILE:1: stack is a table: [stack]"),
        ("[stack]\ntcp_msl = -1", "FILE:2: tcp_msl is from 0.0 to 240.0 s, not -1"),
        ('[stack]\ntcp_msl = "1"', "FILE:2: tcp_msl is a number, not '1'"),
        ("[stack]\ntcp_retries = 1.5", "FILE:2: tcp_retries is a whole number, not 1.5"),
        ("[stack]\ntcp_msl = nan", "FILE:2: tcp_msl is from 0.0 to 240.0 s, not nan"),
        ("\nlink = 5", "FILE:2: link is tap:NAME, packet:INTERFACE, lab or sim, not 5"),
        ('link = "tap:"', "FILE:1: link is tap:NAME, packet:INTERFACE, lab or sim, not 'tap:'"),
        ('address = ["10.0.0.300"]', "FILE:1: address: '10.0.0.300' is not an IP address"),
        ("address = [5]", "FILE:1: address is an address like 192.168.1.3/24, not 5"),
        ('gateway = "x"', "FILE:1: gateway: 'x' is not an IP address"),
        ("dns = 5", "FILE:1: dns is an address like 192.168.1.1, not 5"),
        ('dhcp = "maybe"', "FILE:1: dhcp is true or false, not 'maybe'"),
        ("trace = 7", "FILE:1: trace is true, false or a filter like 'tcp port 80', not 7"),
        ('color = "pink"', "FILE:1: color is one of auto, always, never, not 'pink'"),
        ("seed = true", "FILE:1: seed is a whole number of at most 64 bits, not True"),
        ('pcap = ""', "FILE:1: pcap is a file, and has no name"),
        ("history = 1", "FILE:1: history is a file, or false to keep none, not 1"),
        ("link = sim", "FILE:1: invalid value; text stands in quotes"),
        ('link = "sim', "FILE:1: "),
        ("a = 1\n\nb = [1,", "FILE:3: "),
        ("dhcp = true\ndhcp = true", "FILE:2: "),
        ("seed = " + "9" * 5000, "FILE: these are no settings"),
        ("seed = " + "[" * 100_000, "FILE: these are no settings"),
    ],
)
def test_a_file_that_makes_no_sense_is_one_clear_line(text: str, line: str) -> None:
    with pytest.raises(SettingsError) as caught:
        of_file(text)
    assert str(caught.value).startswith(line) and "\n" not in str(caught.value)


def test_what_is_not_utf_8_is_said_with_its_line() -> None:
    with pytest.raises(SettingsError, match=r"FILE:2: this is not UTF-8"):
        from_file(b'link = "sim"\nseed = \xff', "FILE")


KEYS = st.sampled_from([*SETTINGS, *TUNABLES, "stack", "[stack]", "[[stack]]", "x", '"a\\nb"', "'\x01'"])
VALUES = st.one_of(
    st.sampled_from(
        ["true", '"sim"', '"10.0.0.1/8"', "[]", "{}", "nan", "-inf", "1e400", "0x" + "f" * 5000, '"\\u0000"']
    ),
    st.integers().map(str),
    st.text(max_size=8).map(lambda text: f'"{text}"'),
    st.lists(st.integers(), max_size=3).map(str),
    st.just("1979-05-27"),
)
FILES = st.lists(st.tuples(KEYS, VALUES).map(lambda pair: " = ".join(pair)), max_size=4).map("\n".join)


@settings(max_examples=300)
@given(st.one_of(FILES.map(lambda text: text.encode("utf-8", "surrogatepass")), st.binary(max_size=40)))
def test_any_file_is_settings_that_hold_or_one_clear_line(data: bytes) -> None:
    try:
        layer = from_file(data, "FILE")
        merged = merge([layer])
    except ValueError as e:
        assert str(e) and "\n" not in str(e) and all(c.isprintable() for c in str(e)), repr(str(e))
    else:
        assert set(merged.origins) <= {*SETTINGS, *TUNABLES}
        for name, value in merged.stack.items():
            assert TUNABLES[name].check(value) == value


@given(st.dictionaries(st.sampled_from([*SETTINGS, *TUNABLES, "x"]), st.text(max_size=8), max_size=3))
@such_as({"address": "0"})
def test_any_environment_is_settings_or_one_clear_line(values: dict[str, str]) -> None:
    environ = {f"GLASSTACK_{name.upper()}": value for name, value in values.items()}
    try:
        layer = from_environment(environ)
    except ValueError as e:
        assert "GLASSTACK_" in str(e) and "\n" not in str(e), repr(str(e))
    else:
        assert set(layer.origins) == {name for name, value in values.items() if value}


def test_the_environment() -> None:
    environ = {
        "GLASSTACK_LINK": "sim",
        "GLASSTACK_ADDRESS": "10.0.0.1/8 10.0.0.2,10.0.0.3",
        "GLASSTACK_DHCP": "no",
        "GLASSTACK_TRACE": "1",
        "GLASSTACK_SEED": "7",
        "GLASSTACK_TCP_MSL": "1.5",
        "GLASSTACK_TCP_RETRIES": "3",
        "GLASSTACK_ICMP_ECHO_IGNORE_ALL": "yes",
        "GLASSTACK_GATEWAY": "",  # as if it were not there
        "GLASSTACK_NO_SKIP": "1",
        "NO_COLOR": "1",
    }
    layer = from_environment(environ)
    assert layer.node == {
        "link": "sim", "address": ["10.0.0.1/8", "10.0.0.2/24", "10.0.0.3/24"], "dhcp": False, "trace": "", "seed": 7,
    }  # fmt: skip
    assert layer.stack == {"tcp_msl": 1.5, "tcp_retries": 3, "icmp_echo_ignore_all": True}
    assert layer.origins["tcp_msl"] == "GLASSTACK_TCP_MSL"


@pytest.mark.parametrize(
    "name, value, line",
    [
        ("LINKS", "x", "GLASSTACK_LINKS in the environment: there is no such setting; did you mean GLASSTACK_LINK?"),
        ("tcp_msl", "x", "GLASSTACK_tcp_msl: tcp_msl is a number, not 'x'"),
        ("TCP_MSL", "-1", "GLASSTACK_TCP_MSL: tcp_msl is from 0.0 to 240.0 s, not -1.0"),
        ("TCP_RETRIES", "1.5", "GLASSTACK_TCP_RETRIES: tcp_retries is a whole number, not 1.5"),
        ("DHCP", "maybe", "GLASSTACK_DHCP is true or false, not 'maybe'"),
        ("LINK", "x", "GLASSTACK_LINK is tap:NAME, packet:INTERFACE, lab or sim, not 'x'"),
        ("GATEWAY", "x", "GLASSTACK_GATEWAY: 'x' is not an IP address"),
        ("SEED", "1.5", "GLASSTACK_SEED is a whole number of at most 64 bits, not '1.5'"),
    ],
)
def test_an_environment_that_makes_no_sense_is_one_clear_line(name: str, value: str, line: str) -> None:
    with pytest.raises(SettingsError, match=f"^{re.escape(line)}$"):
        from_environment({f"GLASSTACK_{name}": value})


def test_every_variable_of_the_project_s_own_is_known() -> None:
    """Whatever begins with GLASSTACK_ in the repository is either a setting or known to be none."""
    sources = [ROOT / "node.py", ROOT / "Makefile", ROOT / ".ci" / "run", *(ROOT / "tests").rglob("conftest.py")]
    names = {name for path in sources for name in re.findall(r"GLASSTACK_[A-Z_]+[A-Z]", path.read_text())}
    assert "GLASSTACK_NO_SKIP" in names
    from_environment(dict.fromkeys(names - OTHERS, ""))
    assert all(name in OTHERS or name[10:].lower() in {*SETTINGS, *TUNABLES} for name in names)


# --- who has the last word


def layer(name: str, **said: Any) -> Layer:
    stack = {key: value for key, value in said.items() if key in TUNABLES}
    return Layer({key: said[key] for key in said if key not in stack}, stack, dict.fromkeys(said, name))


def test_the_stronger_source_has_the_last_word_name_by_name() -> None:
    found = merge(
        [
            layer("line", link="lab", tcp_msl=1.0),
            layer("environment", link="sim", seed=1, tcp_retries=3, dns=["10.0.0.1"]),
            layer("local", seed=2, dns=["10.0.0.2"], search=["lab"], tcp_msl=2.0, tcp_retries=4, dns_timeout=1.0),
            layer("user", search=["x"], quiet=True, dns_timeout=2.0),
        ]
    )
    assert (found.link, found.seed, found.dns, found.search, found.quiet) == ("lab", 1, ["10.0.0.1"], ["lab"], True)
    assert found.stack == {"tcp_msl": 1.0, "tcp_retries": 3, "dns_timeout": 1.0}
    assert found.origins["dns_timeout"] == "local" and found.origins["link"] == "line"
    assert merge([]) == Settings()


@pytest.mark.parametrize(
    "layers, expected",
    [
        # Who says where the address comes from has said all about the node's place.
        ([{"address": ["10.0.0.1/8"]}, {"dhcp": True}], (["10.0.0.1/8"], False, None)),
        ([{"dhcp": True}, {"address": ["10.0.0.1/8"], "gateway": "10.0.0.2"}], ([], True, None)),
        (
            [{"address": ["1.0.0.1/8"]}, {"address": ["10.0.0.1/8"], "gateway": "10.0.0.2"}],
            (["1.0.0.1/8"], False, None),
        ),
        ([{"gateway": "10.0.0.3"}, {"address": ["10.0.0.1/8"]}], (["10.0.0.1/8"], False, "10.0.0.3")),
        ([{"dhcp": False}, {"dhcp": True, "address": ["10.0.0.1/8"]}], (["10.0.0.1/8"], False, None)),
        ([{"dhcp": True, "address": ["10.0.0.1/8"], "gateway": "10.0.0.3"}], (["10.0.0.1/8"], True, "10.0.0.3")),
    ],
)
def test_the_node_s_place_is_one_question(layers: list[dict[str, Any]], expected: tuple[Any, ...]) -> None:
    found = merge(layer(str(n), **said) for n, said in enumerate(layers))
    assert (found.address, found.dhcp, found.gateway) == expected


def test_settings_that_contradict_one_another_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"^line: port_low 61000 is above port_high 60999"):
        merge([layer("line", port_low=61000)])
    assert merge([layer("line", port_low=61000), layer("user", port_high=62000)]).stack["port_high"] == 62000


@pytest.mark.parametrize("domain", ["a..b", "x" * 64, "läb\\x"])
def test_a_search_domain_is_a_name(domain: str) -> None:
    with pytest.raises(SettingsError, match=r"^here is a domain like lab.example, not "):
        SETTINGS["search"].check("here", [domain])


# --- files where they are looked for


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory to be in, with the user's configuration in `config/`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config" / "glasstack").mkdir(parents=True)
    return tmp_path


def environment(home: Path, **more: str) -> dict[str, str]:
    return {"XDG_CONFIG_HOME": str(home / "config"), "HOME": str(home), **more}


def test_both_files_and_the_environment_in_this_order(home: Path) -> None:
    (home / "glasstack.toml").write_text('link = "sim"\nseed = 2\n')
    (home / "config" / "glasstack" / "config.toml").write_text('seed = 3\npcap = "x.pcapng"\n')
    found = find(environment(home, GLASSTACK_LINK="lab"))
    assert found.names == ["GLASSTACK_LINK", "./glasstack.toml", "~/config/glasstack/config.toml"]
    merged = merge(found.layers)
    assert (merged.link, merged.seed, merged.pcap) == ("lab", 2, "x.pcapng")


def test_no_files_and_another_file(home: Path) -> None:
    (home / "glasstack.toml").write_text("seed = 2\n")
    (home / "other.toml").write_text('seed = 4\npcap = "y"\n')
    assert merge(find(environment(home), reads_files=False).layers).seed is None
    assert merge(find(environment(home), "other.toml").layers).seed == 4
    assert merge(find(environment(home), "/dev/null").layers).seed is None
    with pytest.raises(SettingsError, match=r"there is no file 'missing\.toml'"):
        find(environment(home), "missing.toml")
    with pytest.raises(SettingsError, match=r"cannot read config: Is a directory"):
        find(environment(home), "config")
    with pytest.raises(SettingsError, match="longer than settings are"):
        find(environment(home), "/dev/zero")


def test_where_the_user_s_file_is() -> None:
    home = Path(os.path.expanduser("~"))
    assert user_file({"XDG_CONFIG_HOME": "/x"}) == Path("/x/glasstack/config.toml")
    assert user_file({"XDG_CONFIG_HOME": "x"}) == user_file({}) == home / ".config/glasstack/config.toml"
    assert user_file(os.environ) == Path(os.devnull) / "glasstack/config.toml"  # not that of who runs the tests
    assert find({"XDG_CONFIG_HOME": os.devnull}).names == []


@pytest.mark.parametrize("name", ["pcap", "history"])
def test_a_file_in_the_current_directory_names_no_file_to_write(home: Path, name: str) -> None:
    (home / "glasstack.toml").write_text(f'\n{name} = "/etc/passwd"\n')
    with pytest.raises(SettingsError, match=rf"^\./glasstack\.toml:2: {name} names a file to write"):
        find(environment(home))


def test_a_file_of_somebody_else_s_in_the_current_directory_is_not_read(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = home / "glasstack.toml"
    file.write_text("seed = 2\n")
    if os.getuid() == 0:
        os.chown(file, 65534, 65534)
    else:  # whose file it is cannot be changed, but who we are: as far as os.getuid says
        monkeypatch.setattr(os, "getuid", lambda: 65534)
    found = find(environment(home))
    assert found.names == [] and merge(found.layers).seed is None
    assert found.warnings == [
        "./glasstack.toml is not read, for it belongs to somebody else; to have it read: --config glasstack.toml"
    ]
    monkeypatch.setenv("SUDO_UID", str(file.stat().st_uid))
    assert merge(find(environment(home)).layers).seed == 2


def test_a_pipe_in_the_place_of_a_file_hangs_nobody(home: Path) -> None:
    os.mkfifo(home / "glasstack.toml")
    with pytest.raises(SettingsError, match="is a pipe"):
        find(environment(home))


# --- the example


def test_the_example_sets_nothing_and_says_everything() -> None:
    text = example.text()
    assert from_file(text.encode(), "example") == Layer({}, {}, {})
    uncommented = re.sub(r"^#(\w+ = )", r"\1", text, flags=re.MULTILINE)
    layer = from_file(uncommented.encode(), "example")
    assert set(layer.node) == set(SETTINGS)
    assert layer.stack == {name: tunable.default for name, tunable in TUNABLES.items()}
    for tunable in TUNABLES.values():
        assert f"# {tunable.text}; " in text and f"{tunable.unit}; {tunable.source}" in text
    assert all(len(line) <= 120 for line in text.splitlines())


def test_what_the_command_prints_is_the_example() -> None:
    argv = [sys.executable, str(ROOT / "node.py"), "--print-config"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (0, example.text(), "")
