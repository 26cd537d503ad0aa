"""Bytes to headers and back, one module a protocol.

Each module has `fields(data)`, which says what is literally there, and `parse(data, ...)`, which starts from it and is
strict: it raises `WireError` with the same reason that the counters, the trace and the tests speak of. `emit(...)`
makes the bytes. Pure: no state, no clock, nothing else of ours imported.
"""
