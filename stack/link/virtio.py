"""The virtio net header: ten bytes before a frame that say what was left undone in it (virtio 1.2, 5.1.6).

A TAP opened with IFF_VNET_HDR and an AF_PACKET socket with PACKET_VNET_HDR put it before every frame, in the
machine's own byte order, and expect it before every frame written. Here it becomes an `Offload` and back. It refuses
nothing: an unknown flag or segmentation type is carried as it is, because the core alone decides what it can make of
a frame. The two-byte-longer form (mergeable buffers) is not used.
"""

from __future__ import annotations

from functools import lru_cache
from struct import Struct

from stack.interface import GSO_NONE, Offload

HEADER_LENGTH = 10
READ_LENGTH = HEADER_LENGTH + 18 + 65535  # with an Ethernet header and the largest IP packet
NOTHING = bytes(HEADER_LENGTH)  # the header of a frame that is complete

# flags gso_type hdr_len gso_size csum_start csum_offset
HEADER = Struct("=BBHHHH")
NEEDS_CSUM = 1
DATA_VALID = 2


# A bulk flow repeats a handful of headers: looking one up costs a fifth of taking it apart.
@lru_cache(maxsize=256)
def parse(header: bytes) -> Offload | None:
    """The ten bytes as an `Offload`, or None when they say nothing. ValueError unless there are ten."""
    if len(header) != HEADER_LENGTH:
        raise ValueError(f"a virtio net header has {HEADER_LENGTH} bytes, not {len(header)}")
    flags, gso_type, hdr_len, gso_size, csum_start, csum_offset = HEADER.unpack(header)
    needs_checksum = bool(flags & NEEDS_CSUM)
    verified = bool(flags & DATA_VALID)
    if not (needs_checksum or verified or gso_type):
        return None
    if not needs_checksum:
        csum_start = csum_offset = 0
    if gso_type == GSO_NONE:
        gso_size = 0
    return Offload(needs_checksum, csum_start, csum_offset, gso_type, gso_size, hdr_len, verified)


@lru_cache(maxsize=256)
def emit(offload: Offload | None) -> bytes:
    """The ten bytes for a frame to be written; `verified` means nothing on the way out and is left out."""
    if offload is None:
        return NOTHING
    flags = NEEDS_CSUM if offload.needs_checksum else 0
    return HEADER.pack(
        flags, offload.gso_type, offload.hdr_len, offload.gso_size, offload.csum_start, offload.csum_offset
    )
