"""hostconf doctor: what works, and the command that mends what does not."""

from __future__ import annotations

import subprocess

import pytest

from tests.hostconf.sandbox import HOSTCONF, IS_ROOT, NO_RIGHTS, OUTSIDE_A_SANDBOX, Sandbox, program


def table(text: str) -> dict[str, str]:
    """What it says of each thing, with the mending command after it."""
    said: dict[str, str] = {}
    for line in text.splitlines():
        name, rest = line[:11].strip(), line[11:]
        if name:
            last = name
            said[name] = rest
        else:
            said[last] += "\n" + rest
    return said


def test_on_this_host_it_changes_nothing() -> None:
    links = ["ip", "-d", "-j", "addr"]
    before = subprocess.run(links, capture_output=True).stdout
    done = subprocess.run([*OUTSIDE_A_SANDBOX, "dash", HOSTCONF, "doctor"], capture_output=True, text=True, cwd="/")
    said = table(done.stdout)
    assert done.stderr == ""
    assert list(said) == ["python", "ip", "unshare", "nft", "sim", "lab", "tap", "packet", "forwarding", "taps"]
    assert said["sim"] == "works wherever Python does"
    works = [link for link in ("lab", "tap", "packet") if said[link].startswith("works")]
    assert done.returncode == (0 if works else 1)
    assert "packet" not in works
    for link in {"lab", "tap", "packet"} - set(works):
        assert "\nmend: " in said[link]
    assert subprocess.run(links, capture_output=True).stdout == before


@pytest.mark.live
class TestInASandbox:
    def doctor(self, host: Sandbox, *arguments: str, code: int = 0) -> dict[str, str]:
        before = host.snapshot()
        done = host.run(*arguments, "dash", str(HOSTCONF), "doctor", check=False)
        assert (done.returncode, done.stderr) == (code, ""), done.stdout
        host.settles_as(before)
        return table(done.stdout)

    def test_all_works(self, host: Sandbox) -> None:
        said = self.doctor(host)
        assert (said["lab"], said["tap"], said["packet"]) == ("works", "works", "works")
        assert said["taps"] == "none"
        assert said["forwarding"].startswith("off")
        assert said["python"].startswith("3.")
        assert said["ip"].startswith("ip utility, iproute2")

    def test_names_the_taps_and_their_owners(self, host: Sandbox) -> None:
        if host.has_standin:
            assert self.doctor(host)["taps"] == "none"
            return
        host.ok("host", "up", "--user", "root")
        host.sh("ip tuntap add dev tap1 mode tap; ip tuntap add dev tun1 mode tun user root")
        said = self.doctor(host)
        assert said["taps"] == "tap0 of root\ntap1 of nobody in particular"
        assert said["tap"] == "works, --link tap:tap0"

    def test_forwarding(self, host: Sandbox) -> None:
        host.sh("echo 1 >/proc/sys/net/ipv4/ip_forward")
        assert self.doctor(host)["forwarding"] == "on: this host is a router"

    def test_without_programs(self, host: Sandbox) -> None:
        for name in ("nft", "unshare"):
            host.sh(f"mount --bind /dev/null {program(name)}")
        done = host.run("dash", str(HOSTCONF), "doctor", check=False)
        said = table(done.stdout)
        assert (done.returncode, done.stderr) == (0, "")
        assert said["nft"] == "missing\nmend: sudo apt-get install nftables"
        assert said["unshare"] == "missing\nmend: sudo apt-get install util-linux"
        assert said["lab"].startswith("does not work: ") and said["lab"].endswith("util-linux (2.38 or newer)")

    def test_where_user_namespaces_are_forbidden(self, host: Sandbox) -> None:
        if IS_ROOT:
            return self.forbidden_to_all(host)
        host.sh("echo 0 >/proc/sys/user/max_user_namespaces")
        said = self.doctor(host)
        assert said["lab"].startswith("does not work: unshare: ")
        assert said["lab"].endswith("\nmend: sudo sysctl -w user.max_user_namespaces=10000")

    def forbidden_to_all(self, host: Sandbox) -> None:
        """Root of the machine must not turn the limit of the machine down: in a user namespace it has its own."""
        script = f"echo 0 >/proc/sys/user/max_user_namespaces; exec dash {HOSTCONF} doctor"
        done = host.run("unshare", "--user", "--map-root-user", "--net", "--mount", "sh", "-c", script, check=False)
        said = table(done.stdout)
        assert said["lab"].startswith("does not work: unshare: ")
        assert said["lab"].endswith("\nmend: sudo sysctl -w user.max_user_namespaces=10000")

    def test_where_apparmor_takes_the_capabilities(self, host: Sandbox) -> None:
        """As Ubuntu does: unshare works, and making a link inside does not."""
        host.sh(
            f"""
            mkdir /run/bin
            printf '#!/bin/sh\\necho RTNETLINK answers: Operation not permitted >&2; exit 2\\n' >/run/bin/unshare
            chmod +x /run/bin/unshare
            mount --bind /run/bin/unshare {program("unshare")}
            mkdir /run/kernel
            mount -t tmpfs tmpfs /proc/sys/kernel
            echo 1 >/proc/sys/kernel/apparmor_restrict_unprivileged_userns
            """
        )
        said = table(host.run("dash", str(HOSTCONF), "doctor").stdout)
        assert said["lab"] == (
            "does not work: RTNETLINK answers: Operation not permitted\n"
            "mend: sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
        )

    def test_without_the_device(self, host: Sandbox) -> None:
        if host.has_standin:
            host.sh("umount /dev/net/tun")
        host.sh("mount -t tmpfs -o mode=755 tmpfs /dev/net")
        assert self.doctor(host)["tap"] == "does not work: /dev/net/tun is missing\nmend: sudo modprobe tun"
        host.sh("touch /dev/net/tun; mount --bind /dev/null /dev/net/tun; mount -o remount,bind,nodev /dev/net/tun")
        assert self.doctor(host)["tap"] == (
            "does not work: /dev/net/tun cannot be opened\nmend: sudo chmod 0666 /dev/net/tun"
        )

    def test_without_rights(self, host: Sandbox) -> None:
        """The lab works for everybody, and a TAP of one's own."""
        said = self.doctor(host, *NO_RIGHTS)
        assert said["lab"] == "works"
        assert said["tap"] == f"does not work: none belongs to root\nmend: sudo {HOSTCONF} host up"
        assert said["packet"].startswith("does not work: packet sockets need CAP_NET_RAW\nmend: ")
        host.ok("host", "up", "--user", "root")
        if not host.has_standin:
            assert self.doctor(host, *NO_RIGHTS)["tap"] == "works, --link tap:tap0"

    def test_nothing_works(self, host: Sandbox) -> None:
        host.sh(f"mount -t tmpfs -o mode=755 tmpfs /dev/net; mount --bind /dev/null {program('unshare')}")
        said = self.doctor(host, *NO_RIGHTS, code=1)
        for link in ("lab", "tap", "packet"):
            assert said[link].startswith("does not work: ") and "\nmend: " in said[link]

    def test_an_old_python(self, host: Sandbox) -> None:
        old = host.where / "python3"
        old.write_text("#!/bin/sh\necho 3.10.2\n")
        old.chmod(0o755)
        host.sh(f"mkdir /run/project; cp -r {HOSTCONF} {HOSTCONF}.d /run/project")
        for answer in ("3.10.2", "3.9.1", ""):
            old.write_text(f"#!/bin/sh\necho {answer}\n")
            done = host.run("sh", "-c", f"PATH={host.where}:$PATH; exec dash /run/project/hostconf doctor")
            said = table(done.stdout)["python"]
            assert said.startswith(f"{answer or 'none'}, and the node needs 3.11 or newer\nmend: ")
