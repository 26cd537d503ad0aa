"""TCP (RFC 9293): one module an idea.

`port` is what a socket holds, `connection` the TCB and the user's calls, `arrive` SEGMENT ARRIVES in the RFC's own
steps, `output` what to send now, `timers` what happens when nothing arrives. `protocol` finds the connection a
segment is for.
"""
