"""Runs one command on the lab's host: joins its namespaces, starts the command there, waits, and ends as it ended.

A process of its own, because a process with threads may not join a user namespace. nsenter(1) does most of this, but
an ordinary user's command would lose its capabilities with it, and then tcpdump and nft fail. The command has a
process group of its own, as under a shell, and the terminal if it is to be in the foreground.
"""

from __future__ import annotations

import os
import resource
import signal
import sys

from stack.link import namespaces

FORWARDED = (
    signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH,
)  # fmt: skip
NOT_EXECUTABLE, NOT_FOUND = 126, 127  # a shell's exit codes


def main(pidfd: int, is_foreground: bool, argv: list[str]) -> None:
    """Never returns: exits with the command's code, or dies of the signal that it died of."""
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # else handing the terminal over would stop us
    directory = os.getcwd()
    everything = namespaces.CLONE_NEWUSER | namespaces.CLONE_NEWNET | namespaces.CLONE_NEWNS | namespaces.CLONE_NEWPID
    try:
        namespaces.enter(pidfd, everything)
        namespaces.keep_capabilities()
    except OSError as e:
        sys.exit(f"the lab's host is gone ({e.strerror})")
    os.close(pidfd)
    os.chdir(directory)  # joining another mount namespace moved us to its root
    signal.pthread_sigmask(signal.SIG_BLOCK, FORWARDED)
    child = os.fork()
    if child == 0:
        _become(argv, is_foreground)
    _wait(child, is_foreground)


def _become(argv: list[str], is_foreground: bool) -> None:
    namespaces.die_with_parent(signal.SIGKILL)
    os.setpgid(0, 0)
    if is_foreground:
        os.tcsetpgrp(0, os.getpid())
    for number in (signal.SIGTTOU, signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, FORWARDED)
    try:
        os.execvp(argv[0], argv)
    except OSError as e:
        sys.stderr.write(f"{argv[0]}: {e.strerror}\n")
        sys.stderr.flush()
        os._exit(NOT_FOUND if isinstance(e, FileNotFoundError) else NOT_EXECUTABLE)


def _wait(child: int, is_foreground: bool) -> None:
    for number in FORWARDED:
        signal.signal(number, lambda signum, frame: os.kill(child, signum))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, FORWARDED)
    while True:
        _, status = os.waitpid(child, os.WUNTRACED if is_foreground else 0)
        if not os.WIFSTOPPED(status):
            break
        # Ctrl-Z: stop as a whole, node and all, as any program that waits for another does; then go on together.
        os.tcsetpgrp(0, os.getpgrp())
        os.kill(0, signal.SIGTSTP)
        os.tcsetpgrp(0, child)
        os.killpg(child, signal.SIGCONT)
    if is_foreground:
        os.tcsetpgrp(0, os.getpgrp())
    if os.WIFSIGNALED(status):
        died_of = os.WTERMSIG(status)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # if there is a core, it is the command's
        if died_of != signal.SIGKILL:
            signal.signal(died_of, signal.SIG_DFL)
        os.kill(os.getpid(), died_of)
    os._exit(os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else 1)
