"""The lab's host: commands run there and end as they should, it is a machine of its own, and nothing is left of it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from stack.link.lab import Lab, LabUnavailable, open_lab
from tests.live.by_hand import OURS, PREFIXLEN
from tests.live.conftest import start
from tests.patience import PATIENCE, eventually

pytestmark = pytest.mark.live

ROOT = Path(__file__).parents[2]


def output(lab: Lab, *argv: str) -> str:
    done = lab.popen(argv, stdout=subprocess.PIPE, text=True)
    said, _ = done.communicate(timeout=PATIENCE)
    return said


def processes_in(namespace: str) -> list[int]:
    """Those of this machine's processes that are in a network namespace ('net:[4026532000]')."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and os.readlink(entry / "ns/net") == namespace:
                found.append(int(entry.name))
    return found


# --- commands


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("exit 0", 0),
        ("exit 3", 3),
        ("kill -TERM $$", 128 + 15),
        (["sh", "-c", "exit 4"], 4),
        (["false"], 1),
        (["no-such-program"], 127),
        (["/etc/passwd"], 126),
    ],
)
def test_run_returns_the_exit_code_as_a_shell_does(any_lab: Lab, command: str | list[str], code: int) -> None:
    assert any_lab.run(command) == code


def test_run_uses_our_own_standard_streams(any_lab: Lab, capfd: pytest.CaptureFixture[str]) -> None:
    assert any_lab.run("echo out; echo err >&2") == 0
    assert any_lab.run(["no-such-program"]) == 127
    assert capfd.readouterr() == ("out\n", "err\nno-such-program: No such file or directory\n")


def test_a_command_starts_in_our_directory_with_our_environment(
    any_lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOMETHING", "of ours")
    assert output(any_lab, "sh", "-c", "pwd; echo $SOMETHING").splitlines() == [str(tmp_path), "of ours"]
    process = any_lab.popen(["env"], env={"PATH": "/usr/bin:/bin", "ONLY": "this"}, stdout=subprocess.PIPE, text=True)
    said, _ = process.communicate(timeout=PATIENCE)
    assert "ONLY=this" in said
    assert "SOMETHING" not in said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_signal_reaches_the_program_and_shows_in_its_return_code(any_lab: Lab, number: signal.Signals) -> None:
    process = any_lab.popen(["sh", "-c", "echo ready; exec sleep 1000"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    assert process.wait(PATIENCE) == -number
    assert eventually(lambda: "sleep" not in output(any_lab, "ps", "-A", "-o", "comm="))
    process.stdout.close()


def test_the_program_itself_gets_the_signal_once_and_may_handle_it(any_lab: Lab) -> None:
    script = "trap 'echo caught; exit 7' INT; echo ready; while :; do sleep 0.05; done"
    process = any_lab.popen(["sh", "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=PATIENCE)[0] == "caught\n"
    assert process.returncode == 7


# --- a machine of its own


def test_it_is_a_host_of_its_own(lab: Lab) -> None:
    links = output(lab, "ip", "-brief", "address").splitlines()
    assert [line.split()[0].partition("@")[0] for line in links] == ["lo", "lab0"]
    assert "192.168.1.1/24" in links[1]
    assert "fe80" not in links[1]  # no IPv6 on the link yet
    assert output(lab, "ps", "-p", "1", "-o", "args=").strip() != Path("/proc/1/cmdline").read_text()
    assert int(output(lab, "sh", "-c", "echo $$")) < 1000
    assert output(lab, "cat", "/etc/resolv.conf").splitlines()[1] == "nameserver 192.168.1.1"
    assert "192.168.1.1" not in Path("/etc/resolv.conf").read_text()


def test_we_are_ourselves_there_but_may_do_everything_with_its_network(lab: Lab) -> None:
    assert output(lab, "id", "-u") == f"{os.getuid()}\n"
    assert lab.run("ip link add v7 type veth peer name v8 && ip link del v7") == 0
    assert lab.run("nft list ruleset") == 0
    assert lab.run("ping -q -c 1 127.0.0.1 > /dev/null") == 0


def test_tcpdump_sees_the_link(lab: Lab) -> None:
    dump = lab.popen(
        ["tcpdump", "-i", "lab0", "-nlc", "1", "arp"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert dump.stderr is not None
    while "listening on" not in (line := dump.stderr.readline()):
        assert line, "tcpdump did not start"
    assert lab.run("ping -c 1 -W 0.1 192.168.1.3 > /dev/null") == 1  # nobody is there, so it asks for the address
    said, _ = dump.communicate(timeout=PATIENCE)
    assert "who-has 192.168.1.3 tell 192.168.1.1" in said


def test_the_services_run_on_its_own_sockets(lab: Lab) -> None:
    assert (lab.services, lab.trouble) == (("echo", "http"), "")
    assert output(lab, "sh", "-c", "echo hello | nc -N 127.0.0.1 7") == "hello\n"
    assert output(lab, "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "http://127.0.0.1/") == "200"


def test_a_service_that_does_not_start_is_no_reason_to_have_no_lab() -> None:
    start().close()
    with open_lab(OURS, PREFIXLEN, services=["nonsense"]) as lab:
        assert lab.services == ()
        assert "nonsense" in lab.trouble
        assert lab.run("true") == 0


def test_it_takes_the_first_free_address() -> None:
    start().close()
    with open_lab(bytes((10, 1, 0, 1)), 16, services=[]) as lab:
        assert lab.peer == bytes((10, 1, 0, 2))
        assert "10.1.0.2/16" in output(lab, "ip", "-brief", "address", "show", "lab0")


def test_the_node_keeps_its_mac_address_from_one_day_to_the_next() -> None:
    macs = []
    for _ in range(2):
        with start() as lab:
            macs.append((lab.device.mac, output(lab, "cat", "/sys/class/net/lab0/address")))
    assert macs[0] == macs[1]


def test_two_labs_at_once_do_not_know_of_each_other() -> None:
    with start() as one, start() as other:
        assert output(one, "readlink", "/proc/1/ns/net") != output(other, "readlink", "/proc/1/ns/net")


# --- the end


def test_close_ends_everything_on_it(lab: Lab) -> None:
    namespace = output(lab, "readlink", "/proc/1/ns/net").strip()
    process = lab.popen(["sh", "-c", "echo ready; exec sleep 1000"], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.read(6) == b"ready\n"
    assert lab.run("setsid sleep 1000 & sleep 1000 &") == 0
    assert len(processes_in(namespace)) >= 5
    lab.close()
    assert process.wait(PATIENCE) == -signal.SIGKILL
    process.stdout.close()
    assert processes_in(namespace) == []
    lab.close()
    with pytest.raises(OSError, match="the lab is closed"):
        lab.run("true")


VICTIM = """
import os, sys
from stack.link.lab import open_lab
lab = open_lab(bytes((192, 168, 1, 3)), 24)
other = lab.popen(["sleep", "1000"])
lab.run("setsid sleep 1000 &")
lab.run("readlink /proc/1/ns/net")
print(lab._process.pid, other.pid, flush=True)
print(lab.run("sleep 1000"))
"""


def victim() -> tuple[subprocess.Popen[str], str, list[int]]:
    """A program with a lab, its network namespace, and the processes outside that namespace which serve it."""
    process = subprocess.Popen([sys.executable, "-c", VICTIM], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    namespace = process.stdout.readline().strip()
    return process, namespace, [int(word) for word in process.stdout.readline().split()]


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_after_a_sigkill_nothing_is_left() -> None:
    start().close()
    process, namespace, pids = victim()
    assert len(processes_in(namespace)) >= 5
    assert all(map(is_running, pids))
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()
    assert eventually(lambda: not processes_in(namespace))
    assert eventually(lambda: not any(map(is_running, pids)))


INTERRUPTED = """
import time
from stack.link.lab import open_lab
lab = open_lab(bytes((192, 168, 1, 3)), 24)
try:
    print("ready", flush=True)
    time.sleep(30)
except KeyboardInterrupt:
    print(lab.run("exit 42"), lab.services, flush=True)
"""


def test_ctrl_c_at_the_terminal_does_not_end_the_host() -> None:
    """The terminal sends SIGINT to the whole foreground process group, of which the host must not be one."""
    start().close()
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED], cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    os.killpg(process.pid, signal.SIGINT)
    said, _ = process.communicate(timeout=PATIENCE)
    assert said == "42 ('echo', 'http')\n"


# --- where there can be none


def refusal(lab: Lab, prepare: str, **variables: str) -> str:
    """What LabUnavailable says in a shell that has run `prepare` first, inside `lab`, where nothing can be harmed."""
    code = (
        "from stack.link.lab import open_lab, LabUnavailable\n"
        "try: open_lab(bytes((192, 168, 1, 3)), 24)\n"
        "except LabUnavailable as e: print(e.errno, e.strerror)\n"
        "else: print('it started')\n"
    )
    process = lab.popen(
        ["sh", "-c", f'{prepare}; exec "$@"', "sh", sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        text=True,
    )
    said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert said.count("\n") == 1, said
    return said


def test_where_namespaces_are_forbidden_it_says_which_command_allows_them(any_lab: Lab) -> None:
    said = refusal(any_lab, "echo 0 > /proc/sys/user/max_user_namespaces")
    assert said.startswith("1 no lab: unshare: unshare failed: No space left on device; ")
    assert said.endswith("allow them: sudo sysctl -w user.max_user_namespaces=10000\n")


@pytest.mark.parametrize(("program", "package"), [("unshare", "util-linux"), ("ip", "iproute2")])
def test_a_missing_program_is_named_with_its_package(
    program: str, package: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = "ip" if program == "unshare" else "unshare"
    (tmp_path / other).write_text("#!/bin/sh\n")
    (tmp_path / other).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("stack.link.lab.SYSTEM_PATHS", ())
    with pytest.raises(LabUnavailable, match=f"needs {program}; install it: sudo apt install {package}"):
        open_lab(OURS, PREFIXLEN)


def test_a_host_that_does_not_start_in_time_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    fake = tmp_path / "unshare"
    fake.write_text(f"#!/bin/sh\necho $$ >{pid}\nexec sleep 60\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr("stack.link.lab.START_TIMEOUT", 0.5)
    with pytest.raises(LabUnavailable, match="no lab: it did not start in time; try again"):
        open_lab(OURS, PREFIXLEN)
    assert not Path("/proc", pid.read_text().strip()).exists()


def test_where_unshare_enters_nothing_the_machine_is_left_alone(any_lab: Lab, tmp_path: Path) -> None:
    """It must not take the machine's own network for the lab's, whatever unshare did."""
    fake = tmp_path / "unshare"
    fake.write_text('#!/bin/sh\nwhile [ "${1#--}" != "$1" ]; do shift; done\nexec "$@"\n')
    fake.chmod(0o755)
    before = output(any_lab, "ip", "address")
    said = refusal(any_lab, "true", PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert "unshare did not enter namespaces of its own" in said
    assert output(any_lab, "ip", "address") == before


def test_where_the_capability_is_missing_after_entering_it_says_so(any_lab: Lab, tmp_path: Path) -> None:
    """As under AppArmor: unshare succeeds, but what is in the namespaces may not be used."""
    fake = tmp_path / "unshare"
    real = subprocess.run(["sh", "-c", "command -v unshare"], capture_output=True, text=True).stdout.strip()
    fake.write_text(
        "#!/bin/sh\nn=0\nfor a; do case $a in --*) n=$((n + 1));; *) break;; esac; done\n"
        'options=$(for a; do case $a in --*) echo "$a";; *) break;; esac; done)\nshift $n\n'
        f'exec {real} $options setpriv --bounding-set=-net_admin --inh-caps=-net_admin --ambient-caps=-net_admin "$@"\n'
    )
    fake.chmod(0o755)
    said = refusal(any_lab, "true", PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert "Operation not permitted" in said
    assert "namespaces are forbidden here; " in said
