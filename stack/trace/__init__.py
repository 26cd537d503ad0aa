"""Everything that passed, and why: a recorder that is always on, and what reads it.

    from stack.trace.recorder import Recorder       an Observer; a ring bounded in bytes
    from stack.trace.trace import Trace             on, off, show, last: the prompt's face

Sees `stack.wire`, the events and the types of an interface; the stack knows nothing of it.
"""
