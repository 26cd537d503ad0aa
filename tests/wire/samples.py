"""Bytes that others made: frames a Linux 6 kernel put on a veth pair with its checksum offload off.

Hosts 10.9.0.1 (02:00:00:00:00:01) and 10.9.0.9 (02:00:00:00:00:09).
"""

from stack.wire.address import parse_ip

A = parse_ip("10.9.0.1")
B = parse_ip("10.9.0.9")
MAC_A = bytes.fromhex("020000000001")
MAC_B = bytes.fromhex("020000000009")

ARP_REQUEST = bytes.fromhex("ffffffffffff020000000001080600010800060400010200000000010a0900010000000000000a090008")
UDP_HELLO = bytes.fromhex(
    "020000000009020000000001080045000021cfe64000401156ca0a0900010a0900090fa00009000d983d68656c6c6f"
)
UDP_HELL = bytes.fromhex("020000000009020000000001080045000020cfe74000401156ca0a0900010a0900090fa00009000c074068656c6c")
TCP_SYN = bytes.fromhex(
    "0200000000090200000000010800"
    "4500003cb83f400040066e610a0900010a090009"
    "0fa000509e037a7500000000a002faf0fdf60000020405b40402080ad06d4223000000000103030a"
)
ECHO_REQUEST = bytes.fromhex(
    "0200000000090200000000010800"
    "45000054485e40004001de2f0a0900010a090009"
    "0800a74d2105000102fd006b0000000063710a0000000000"
    "101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f3031323334353637"
)
FRAMES = [ARP_REQUEST, UDP_HELLO, UDP_HELL, TCP_SYN, ECHO_REQUEST]


def words_sum(data: bytes) -> int:
    """RFC 1071's sum the slow way: word by word with an end-around carry, as a check on the fast one."""
    data += bytes(len(data) & 1)
    total = 0
    for i in range(0, len(data), 2):
        total += data[i] << 8 | data[i + 1]
        total = (total & 0xFFFF) + (total >> 16)
    return total
