"""Virtual time: the clock jumps, threads take turns, a deadlock is told, and a seed decides everything."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from stack import interrupt
from stack.interface import Abilities
from stack.sim import Deadlock, World
from stack.socket import SocketModule
from stack.wire.address import parse_ip
from tests.sim.scenario import run, transfer

ROOT = Path(__file__).parent.parent.parent


# --- a seed decides everything


def in_a_process(hash_seed: int, *words: str) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": str(hash_seed)}
    command = [sys.executable, "-m", "tests.sim.scenario", *words]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout


def test_the_same_frames_from_two_processes_and_with_the_recorder_off() -> None:
    first = in_a_process(1, "42", "1", "recorder")
    assert first == in_a_process(2, "42", "1")
    assert first == f"{run(42, 1 << 20)[0]} {first.split()[1]}\n", "and from this one, whatever ran before in it"
    assert first != in_a_process(1, "43", "1", "recorder")


def test_ten_megabytes_through_loss_reordering_and_duplication() -> None:
    """There and back; `transfer` compares the bytes."""
    digest, world = run(5, 10 << 20)
    traffic = world.cables[0].traffic
    assert min(traffic.lost, traffic.reordered, traffic.duplicated) > 0.05 * digest.frames
    assert digest.frames > 20_000


@pytest.mark.parametrize("conditions", [{"corrupt": 0.05}, {"rate": 1e6, "queue": 20}, {"delay": 2.0}, {"delay": 0.0}])
def test_other_cables(conditions: dict[str, Any]) -> None:
    with World(2) as world:
        world.cable(**conditions)
        a, b = world.host("10.0.0.1/24"), world.host("10.0.0.2/24")
        transfer(world, SocketModule(a), SocketModule(b), "10.0.0.2", bytes(range(256)) * 800)


def test_super_segments_on_the_cable() -> None:
    with World(2) as world:
        world.cable(loss=0.02, corrupt=0.02)
        able = Abilities(checksum=True, tso4=True)
        a, b = world.host("10.0.0.1/24", abilities=able), world.host("10.0.0.2/24", abilities=able)
        sizes: list[int] = []
        world.observers.append(lambda now, host, frame: sizes.append(frame.size))
        transfer(world, SocketModule(a), SocketModule(b), "10.0.0.2", bytes(range(256)) * 4000)
        assert max(sizes) > 10_000


# --- the clock


def test_an_hour_passes_at_once() -> None:
    with World() as world:
        world.sleep(3600)
        assert world.now() == 3600.0
        host = world.host("10.0.0.1/24")
        host.sleep(1800.5)
        assert host.now() == world.now() == 5400.5


def test_sleepers_wake_in_their_order() -> None:
    with World() as world:
        seen: list[tuple[str, float]] = []

        def sleeper(name: str, seconds: float) -> None:
            world.sleep(seconds)
            seen.append((name, world.now()))

        for name, seconds in (("c", 3), ("a", 1), ("b", 2), ("a2", 1), ("z", 0)):
            world.spawn(sleeper, name, seconds)
        world.run()
        assert seen == [("z", 0.0), ("a", 1.0), ("a2", 1.0), ("b", 2.0), ("c", 3.0)]


def test_latency_is_the_cables() -> None:
    with World() as world:
        world.cable(delay=0.25)
        a, b = (SocketModule(world.host(f"10.0.0.{n}/24", acd_announce_num=0)) for n in (1, 2))
        with b.create_server(("", 1)), a.create_connection(("10.0.0.2", 1)):
            assert world.now() == 1.0, "ARP and the handshake: two round trips"


def test_a_timeout_is_exact() -> None:
    with World() as world, SocketModule(world.host("10.0.0.1/24")).socket(type=2) as sock:
        sock.bind(("", 5))
        sock.settimeout(12.5)
        with pytest.raises(TimeoutError):
            sock.recv(1)
        assert world.now() == 12.5


def test_run_until() -> None:
    with World() as world:
        host = world.host("10.0.0.1/24")
        ticks: list[float] = []

        def tick() -> None:
            while True:
                world.sleep(1)
                ticks.append(world.now())

        host.spawn(tick)
        world.run(until=3.5)
        assert ticks == [1.0, 2.0, 3.0] and world.now() == 3.5
        world.run()  # a service is not waited for


# --- threads


def test_one_runs_at_a_time_and_only_waits_pass_the_turn() -> None:
    with World() as world:
        log: list[str] = []

        def worker(name: str) -> None:
            for step in range(3):
                log.append(f"{name}{step}")
                time.sleep(0.001)  # real time passes, and no other thread of the World runs
                log.append(f"{name}{step}")
                world.sleep(0)

        for name in "xy":
            world.spawn(worker, name)
        world.run()
        assert log == ["x0", "x0", "y0", "y0", "x1", "x1", "y1", "y1", "x2", "x2", "y2", "y2"]


def test_join() -> None:
    with World() as world:
        task = world.spawn(world.sleep, 5)
        task.join(2)
        assert task.is_alive() and world.now() == 2.0
        task.join()
        assert not task.is_alive() and world.now() == 5.0


def test_a_failure_comes_out_of_run_once() -> None:
    def fail() -> None:
        raise LookupError("lost")

    with World() as world:
        world.spawn(fail)
        with pytest.raises(LookupError, match="lost"):
            world.run()
        world.run()
    with pytest.raises(LookupError), World() as world:
        world.spawn(fail)
        world.sleep(1)


def test_a_strangers_thread_is_refused() -> None:
    with World() as world:
        host = world.host("10.0.0.1/24")
        found: list[str] = []

        def stranger() -> None:
            try:
                with host:
                    pass
            except RuntimeError as e:
                found.append(str(e))

        thread = threading.Thread(target=stranger)
        thread.start()
        thread.join()
        assert "spawn()" in found[0]


def test_a_socket_dropped_by_a_thread_that_ends_is_closed_at_once() -> None:
    """What a thread waited for last keeps nothing alive."""
    with World() as world:
        a, b = SocketModule(world.host("10.0.0.1/24")), SocketModule(world.host("10.0.0.2/24"))
        listener = b.create_server(("", 1))

        def serve() -> None:
            sock, _ = listener.accept()
            assert sock.recv(1) == b"x"

        server = world.spawn(serve)
        with a.create_connection(("10.0.0.2", 1), 100) as client:
            world.sleep(0.1)
            client.sendall(b"x")
            with pytest.warns(ResourceWarning, match="unclosed"):
                server.join()
            assert client.recv(1) == b""
        assert world.now() < 1
        listener.close()


# --- standstill and the end


def test_deadlock_says_who_waits_for_what() -> None:
    with World() as world:
        module = SocketModule(world.host("10.0.0.1/24", name="lonely"))
        told: list[str] = []

        def reader() -> None:
            with module.socket(type=module.SOCK_DGRAM) as sock:
                sock.bind(("", 53))
                try:
                    sock.recv(1)
                except Deadlock as e:
                    told.append(str(e))

        world.spawn(reader, name="the reader")
        with pytest.raises(Deadlock) as e:
            world.run()
        world.run()
        assert told == [str(e.value)]
        assert "the reader waits at lonely for Transfer.readable of <stack.socket.socket" in told[0]
        assert "('0.0.0.0', 53)" in told[0] and "the main thread waits" in told[0]


def test_no_deadlock_while_something_can_happen() -> None:
    with World() as world:
        world.cable(delay=30)
        patient = {"arp_retrans_timer": 60, "acd_announce_num": 0}
        a, b = (SocketModule(world.host(f"10.0.0.{n}/24", **patient)) for n in (1, 2))
        server = b.socket(type=2)
        server.bind(("", 1))
        client = a.socket(type=2)
        client.sendto(b"slowly", ("10.0.0.2", 1))
        assert server.recv(100) == b"slowly"
        assert world.now() == 90.0
        for sock in (server, client):
            sock.close()


def test_close_ends_every_thread() -> None:
    world = World()
    module = SocketModule(world.host("10.0.0.1/24"))
    ended: list[str] = []

    def service() -> None:
        with module.create_server(("", 1)) as listener:
            try:
                listener.accept()
            except OSError as e:
                ended.append(e.strerror or "")
                raise

    tasks = [world.spawn(service, is_service=True), world.spawn(world.sleep, 1e9)]
    world.sleep(1)
    world.close()
    world.close()
    assert ended == ["Network is down"] and not any(t.is_alive() for t in tasks)


def test_a_host_that_goes_down() -> None:
    with World() as world:
        a, b = world.host("10.0.0.1/24"), world.host("10.0.0.2/24")
        here, there = SocketModule(a), SocketModule(b)
        listener = there.create_server(("", 1))
        found: list[OSError] = []

        def serve() -> None:
            try:
                listener.accept()
            except OSError as e:
                found.append(e)

        world.spawn(serve)
        world.sleep(1)
        b.close()
        world.run()
        assert found[0].strerror == "Network is down"
        with pytest.raises(OSError, match="No route to host"):
            here.create_connection(("10.0.0.2", 1))
        listener.close()


def test_ctrl_c_reaches_the_main_thread() -> None:
    assert interrupt.install()
    try:
        with World() as world:
            host = world.host("10.0.0.1/24")

            def press() -> None:
                world.sleep(1)
                # A signal that comes just before a thread falls asleep in a lock is seen when it wakes: press again.
                while not interrupt.is_pending:
                    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
                    for _ in range(100):
                        if not interrupt.is_pending:
                            time.sleep(0.001)
                world.sleep(1)

            task = world.spawn(press)
            with pytest.raises(KeyboardInterrupt), host:
                host.wait(lambda: False)
            assert world.now() == 1.0, "and not when something else happened to wake it"
            task.join()
    finally:
        interrupt.uninstall()


# --- hosts


def test_three_hosts_share_a_cable_and_a_gateway_joins_two() -> None:
    with World() as world:
        left, right = world.cable(), world.cable()
        hosts = [world.host(f"10.0.0.{n}/24", cable=left) for n in (1, 2, 3)]
        far = world.host("10.0.1.1/24", cable=right, gateway="10.0.1.2")
        assert [h.interface.mac[-1] for h in (*hosts, far)] == [1, 2, 3, 4]
        modules = [SocketModule(h) for h in hosts]
        servers = [m.socket(type=m.SOCK_DGRAM) for m in modules[1:]]
        for server in servers:
            server.bind(("", 1))
        with modules[0].socket(type=modules[0].SOCK_DGRAM) as sock:
            sock.setsockopt(sock._module.SOL_SOCKET, sock._module.SO_BROADCAST, 1)
            sock.sendto(b"all", ("10.0.0.255", 1))
        for server in servers:
            assert server.recv(10) == b"all"
            server.close()
        with pytest.raises(OSError, match="unreachable"), modules[0].socket(type=2) as sock:
            sock.sendto(b"x", ("10.0.1.1", 1))
        with SocketModule(far).socket(type=2) as sock:
            sock.sendto(b"x", ("10.0.0.1", 1))  # to the gateway, whom nobody plays


def test_settings_reach_the_stack() -> None:
    with World() as world:
        host = world.host("10.0.0.1/24", tcp_msl=1.5, mtu=9000)
        assert host.stack.config.tcp_msl == 1.5 and host.interface.mtu == 9000
        with pytest.raises(ValueError, match="there is no setting"):
            world.host("10.0.0.2/24", nonsense=1)


def test_an_address_that_is_probed_for() -> None:
    with World() as world:
        world.host("10.0.0.1/24")
        rival = world.host("10.0.0.1/24", acd_probe_num=2)
        assert rival.interface.tentative
        world.sleep(5)
        assert not rival.interface.addresses and not rival.interface.tentative
        with rival:
            rival.stack.add_address(rival.interface, parse_ip("10.0.0.2"), 24, rival.now())
            assert rival.wait(lambda: rival.interface.addresses, 5)


def test_the_wall_clock_of_a_world_begins_with_1970() -> None:
    with World() as world:
        host = world.host("10.0.0.1/24")
        world.sleep(2.5)
        assert host.wall() == host.now() == world.now()
