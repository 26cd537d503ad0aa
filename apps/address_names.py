"""The names of addresses, for output that must not wait for them.

Each address is asked about in a thread of its own, once. Who prints waits for `is_known` until `patient_until`; a name
server that has kept silent once is not waited for again. It refuses nothing: an address without a name is written as
it is.
"""

from __future__ import annotations

from apps.host import Host

PATIENCE = 2.0  # seconds


class Names:
    def __init__(self, node: Host, is_numeric: bool = False) -> None:
        self.node = node
        self.is_numeric = is_numeric
        self._asked_at: dict[str, float] = {}
        self._names: dict[str, str | None] = {}  # what was found: None for no name
        self._patience = PATIENCE

    def ask(self, address: str) -> None:
        """Begin to find out the name of `address`."""
        if not self.is_numeric and address not in self._asked_at:
            self._asked_at[address] = self.node.engine.now()
            self.node.engine.spawn(self._find, address, name=f"name of {address}")

    def _find(self, address: str) -> None:
        name: str | None = None
        try:
            name = self.node.socket.gethostbyaddr(address)[0]
        except OSError:
            pass  # it has none, or nobody says
        with self.node.engine:  # its end wakes whoever waits for the name
            self._names[address] = name

    def is_known(self, address: str) -> bool:
        """Whether all is known about `address` that there was a wish to know."""
        return self.is_numeric or address in self._names

    def patient_until(self, address: str) -> float:
        """When an address that was asked about is to be written without its name."""
        return self._asked_at.get(address, 0.0) + self._patience

    def wait_for(self, address: str) -> None:
        """Until the name is known, or not to be known in time."""
        self.ask(address)
        with self.node.engine as engine:
            if not engine.wait(lambda: self.is_known(address), max(0.0, self.patient_until(address) - engine.now())):
                self.give_up()

    def give_up(self) -> None:
        """It took too long: from now on only what is known at once counts."""
        self._patience = 0.0

    def name(self, address: str) -> str | None:
        """None if there is none or none is known in time."""
        return self._names.get(address)

    def describe(self, address: str) -> str:
        """'router.lab (10.9.0.1)', '10.9.0.1 (10.9.0.1)' without a name, '10.9.0.1' if names were not wanted."""
        return address if self.is_numeric else f"{self.name(address) or address} ({address})"
