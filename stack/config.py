"""Every tunable of the stack, with its unit, default, bounds and source, validated when it is set.

A `Config` also carries the two things a pure core cannot make for itself: `rng` (any object with `random.Random`'s
methods) and `secret` (bytes, for RFC 6528's initial sequence numbers). Where Linux has a sysctl for the same thing
its name is in `sysctl`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, overload

T = TypeVar("T", int, float, bool)


class Random(Protocol):
    def random(self) -> float: ...
    def getrandbits(self, k: int, /) -> int: ...
    def randrange(self, start: int, stop: int) -> int: ...
    def uniform(self, a: float, b: float) -> float: ...


class Tunable(Generic[T]):
    """One setting: a descriptor that refuses values of the wrong type or out of bounds with a ValueError that says
    so."""

    def __init__(self, default: T, unit: str, low: T, high: T, source: str, text: str, sysctl: str = "") -> None:
        self.default: T = default
        self.unit = unit
        self.low: T = low
        self.high: T = high
        self.source = source
        self.text = text
        self.sysctl = sysctl

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    # No __set__: a Config keeps its values as plain attributes, read at full speed, and checks them in __setattr__.
    if TYPE_CHECKING:

        @overload
        def __get__(self, config: None, owner: type) -> Tunable[T]: ...
        @overload
        def __get__(self, config: Config, owner: type) -> T: ...
        def __get__(self, config: Config | None, owner: type) -> Tunable[T] | T: ...
        def __set__(self, config: Config, value: T) -> None: ...

    def check(self, value: Any) -> Any:
        """`value` as this tunable's type; ValueError with one clear line otherwise."""
        kind = type(self.default)
        if kind is bool:
            if not isinstance(value, bool):
                raise ValueError(f"{self.name} is true or false, not {value!r}")
            return value
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not is_number or (kind is int and isinstance(value, float) and not value.is_integer()):
            raise ValueError(f"{self.name} is {'a whole number' if kind is int else 'a number'}, not {value!r}")
        if not self.low <= value <= self.high:
            raise ValueError(f"{self.name} is from {self.low} to {self.high} {self.unit}, not {value}")
        return kind(value)


class Config:
    """The tunables as attributes; keywords set them: Config(rng, secret, tcp_msl=1.0)."""

    ip_default_ttl = Tunable(64, "hops", 1, 255, "RFC 1122 3.2.1.7", "time to live of packets sent", "ip_default_ttl")
    arp_reachable_time = Tunable(
        30.0,
        "s",
        0.1,
        3600.0,
        "RFC 4861 10",
        "a confirmed neighbour is trusted for about this long",
        "base_reachable_time",
    )
    arp_retrans_timer = Tunable(1.0, "s", 0.01, 60.0, "RFC 4861 10", "between two requests", "retrans_time_ms")
    arp_max_requests = Tunable(3, "requests", 1, 20, "RFC 4861 10", "before a neighbour has FAILED", "mcast_solicit")
    arp_delay_first_probe = Tunable(
        5.0,
        "s",
        0.0,
        60.0,
        "RFC 4861 10",
        "a used STALE entry waits this long before it is probed",
        "delay_first_probe_time",
    )
    arp_queue_bytes = Tunable(
        212_992, "bytes", 0, 1 << 24, "RFC 1122 2.3.2.2", "queued per unresolved neighbour", "unres_qlen_bytes"
    )
    arp_cache_size = Tunable(1024, "entries", 8, 1 << 20, "RFC 1122 2.3.2.1", "neighbours remembered", "gc_thresh3")
    acd_probe_wait = Tunable(0.0, "s", 0.0, 10.0, "RFC 5227 1.1 (there 1)", "random wait before the first probe")
    acd_probe_num = Tunable(2, "probes", 0, 10, "RFC 5227 1.1 (there 3)", "0 takes an address unprobed")
    acd_probe_interval = Tunable(0.1, "s", 0.0, 10.0, "RFC 5227 1.1 (there 1 to 2)", "between two probes")
    acd_announce_wait = Tunable(0.2, "s", 0.0, 10.0, "RFC 5227 1.1 (there 2)", "silence after the last probe")
    acd_announce_num = Tunable(
        2, "announcements", 0, 10, "RFC 5227 1.1", "gratuitous requests once the address is ours"
    )
    acd_announce_interval = Tunable(2.0, "s", 0.0, 60.0, "RFC 5227 1.1", "between two announcements")
    acd_defend_interval = Tunable(10.0, "s", 0.0, 600.0, "RFC 5227 1.1", "least time between two defences")
    icmp_rate = Tunable(
        1000, "messages/s", 1, 1_000_000, "RFC 1812 4.3.2.8", "ICMP errors sent at most", "icmp_msgs_per_sec"
    )
    icmp_burst = Tunable(50, "messages", 1, 1_000_000, "RFC 1812 4.3.2.8", "errors sent at once", "icmp_msgs_burst")
    icmp_echo_ignore_all = Tunable(
        False, "", False, True, "RFC 1122 3.2.2.6 (MUST answer)", "stay silent", "icmp_echo_ignore_all"
    )
    udp_rcvbuf = Tunable(212_992, "bytes", 256, 1 << 30, "Linux", "SO_RCVBUF of a datagram socket", "rmem_default")
    tcp_rcvbuf = Tunable(4 << 20, "bytes", 2048, 1 << 30, "RFC 7323 2.3", "largest receive window", "tcp_rmem")
    tcp_sndbuf = Tunable(4 << 20, "bytes", 2048, 1 << 30, "RFC 9293 3.9.1", "bytes a send may queue", "tcp_wmem")
    tcp_initial_rto = Tunable(1.0, "s", 0.01, 60.0, "RFC 6298 2.1", "before the first RTT sample", "TCP_TIMEOUT_INIT")
    tcp_min_rto = Tunable(
        0.2, "s", 0.001, 60.0, "RFC 6298 2.4 (there 1)", "least retransmission timeout", "tcp_rto_min_us"
    )
    tcp_max_rto = Tunable(120.0, "s", 1.0, 3600.0, "RFC 6298 2.5", "greatest retransmission timeout", "tcp_rto_max_ms")
    tcp_syn_retries = Tunable(6, "times", 0, 127, "RFC 9293 3.8.3", "a SYN is resent", "tcp_syn_retries")
    tcp_synack_retries = Tunable(5, "times", 0, 127, "RFC 9293 3.8.3", "a SYN,ACK is resent", "tcp_synack_retries")
    tcp_retries = Tunable(
        15, "times", 1, 127, "RFC 9293 3.8.3 (R2)", "data is resent before the connection ends", "tcp_retries2"
    )
    tcp_orphan_retries = Tunable(
        8, "times", 1, 127, "RFC 1122 4.2.3.5", "the same once the user has closed", "tcp_orphan_retries"
    )
    tcp_msl = Tunable(
        30.0, "s", 0.0, 240.0, "RFC 9293 3.4.1 (there 120)", "TIME-WAIT is twice this", "TCP_TIMEWAIT_LEN / 2"
    )
    tcp_fin_timeout = Tunable(60.0, "s", 1.0, 3600.0, "RFC 9293 3.6", "an orphan in FIN-WAIT-2", "tcp_fin_timeout")
    tcp_max_tw_buckets = Tunable(
        16_384, "connections", 0, 1 << 20, "Linux", "in TIME-WAIT at most", "tcp_max_tw_buckets"
    )
    tcp_max_orphans = Tunable(
        4096, "connections", 0, 1 << 20, "Linux", "closed by the user and not yet by both ends", "tcp_max_orphans"
    )
    tcp_delayed_ack = Tunable(
        0.04, "s", 0.0, 0.5, "RFC 9293 3.8.6.3", "an acknowledgment waits at most", "TCP_DELACK_MIN"
    )
    tcp_initial_cwnd = Tunable(10, "segments", 1, 1000, "RFC 6928 2", "initial congestion window")
    tcp_dupacks = Tunable(3, "segments", 1, 127, "RFC 5681 3.2", "duplicate ACKs that mean a loss", "tcp_reordering")
    tcp_keepalive_time = Tunable(
        7200.0, "s", 1.0, 1e6, "RFC 9293 3.8.4", "idle before the first probe", "tcp_keepalive_time"
    )
    tcp_keepalive_interval = Tunable(75.0, "s", 1.0, 1e5, "RFC 9293 3.8.4", "between two probes", "tcp_keepalive_intvl")
    tcp_keepalive_probes = Tunable(
        9, "probes", 1, 127, "RFC 9293 3.8.4", "unanswered before the end", "tcp_keepalive_probes"
    )
    tcp_max_syn_backlog = Tunable(
        1024, "connections", 1, 1 << 20, "RFC 4987", "half open at once, all listeners", "tcp_max_syn_backlog"
    )
    tcp_challenge_ack_limit = Tunable(
        100, "ACKs/s", 1, 1_000_000, "RFC 5961 7", "challenge ACKs sent at most", "tcp_challenge_ack_limit"
    )
    tcp_max_out_of_order = Tunable(1024, "segments", 1, 1 << 20, "RFC 9293 3.10.7.4", "held for a hole to fill")
    dhcp_start_wait = Tunable(
        0.0, "s", 0.0, 10.0, "RFC 2131 4.4.1 (there 1 to 10)", "random wait before the first DISCOVER"
    )
    dhcp_timeout = Tunable(
        20.0, "s", 0.1, 3600.0, "RFC 2131 4.1 (two retransmissions)", "for a first lease, before the node gives up"
    )
    dhcp_retry = Tunable(4.0, "s", 0.1, 64.0, "RFC 2131 4.1", "before a message is sent again; doubles each time")
    dhcp_retry_max = Tunable(64.0, "s", 1.0, 3600.0, "RFC 2131 4.1", "longest such wait")
    dhcp_request_tries = Tunable(4, "messages", 1, 20, "RFC 2131 3.1 (5)", "a REQUEST is sent before starting over")
    dhcp_reboot_tries = Tunable(2, "messages", 1, 20, "RFC 2131 3.2 (4)", "the same for an address known from before")
    dhcp_renew_wait = Tunable(60.0, "s", 1.0, 3600.0, "RFC 2131 4.4.5", "least wait between two tries to renew")
    dhcp_decline_wait = Tunable(10.0, "s", 0.0, 3600.0, "RFC 2131 3.1 (5)", "before starting over after a DECLINE")
    dns_timeout = Tunable(3.0, "s", 0.1, 60.0, "RFC 1035 4.2.1 (2 to 5)", "a name server may take to answer")
    dns_attempts = Tunable(2, "rounds", 1, 10, "resolv.conf(5)", "through the list of name servers")
    dns_ndots = Tunable(1, "dots", 0, 15, "resolv.conf(5)", "a name with fewer is first sought in the search domains")
    dns_edns_size = Tunable(1232, "bytes", 0, 65535, "RFC 6891 6.2.5", "answers welcome over UDP; 0: no EDNS")
    dns_cache_size = Tunable(1000, "answers", 0, 1 << 20, "RFC 1034 5.3.3", "remembered; 0: none")
    dns_max_ttl = Tunable(86400, "s", 0, 1 << 31, "RFC 8767 4 (there 604800)", "an answer is kept at most")
    dns_max_negative_ttl = Tunable(10800, "s", 0, 1 << 31, "RFC 2308 5", "a negative answer is kept at most")
    port_low = Tunable(32768, "", 1024, 65535, "RFC 6056 3.2", "first ephemeral port", "ip_local_port_range")
    port_high = Tunable(60999, "", 1024, 65535, "RFC 6056 3.2", "last ephemeral port", "ip_local_port_range")

    def __init__(self, rng: Random, secret: bytes, **settings: int | float | bool) -> None:
        self.rng = rng
        self.secret = secret
        self.__dict__.update({tunable.name: tunable.default for tunable in self.tunables()})
        for name, value in settings.items():
            self.set(name, value)

    def __setattr__(self, name: str, value: Any) -> None:
        tunable = getattr(type(self), name, None)
        self.__dict__[name] = tunable.check(value) if isinstance(tunable, Tunable) else value

    def set(self, name: str, value: int | float | bool) -> None:
        """Set by name; ValueError for an unknown name or a value out of bounds."""
        if not isinstance(getattr(type(self), name, None), Tunable):
            raise ValueError(f"there is no setting {name!r}")
        setattr(self, name, value)

    @classmethod
    def tunables(cls) -> Iterator[Tunable[Any]]:
        return (value for value in vars(cls).values() if isinstance(value, Tunable))
