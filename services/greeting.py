"""What daytime, time and qotd have in common: something short is said to whoever comes, over TCP and UDP, and that is
all.

Over TCP the greeting is sent at once and our side of the connection closed; what the client says is thrown away, up to
a limit, so that a reset does not overtake the greeting. Over UDP any datagram is answered.
"""

from __future__ import annotations

from typing import Any

from services.service import Address, Conversation, Service

LINGER = 65536  # bytes thrown away before the connection is closed on a client that does not stop


class GreetingConversation(Conversation):
    def __init__(self, service: Service, sock: Any, peer: Address) -> None:
        super().__init__(service, sock, peer)
        assert isinstance(service, Greeter)
        self._is_over = False
        greeting = service.greeting()
        if greeting is None:
            self._is_over = True
        else:
            self.send(greeting)

    def on_data(self, data: bytes) -> None:
        self._is_over = self.received > LINGER

    def on_sent(self) -> None:
        self.sock.shutdown(self.service.loop.socket.SHUT_WR)

    def has_ended(self) -> bool:
        return self.is_at_eof or self._is_over


class Greeter(Service):
    conversation = GreetingConversation
    is_greeting = True

    def greeting(self) -> bytes | None:
        """What is said, at most 512 bytes; None if there is nothing to say."""
        raise NotImplementedError

    def answer(self, data: bytes, source: Address) -> bytes | None:
        return self.greeting()
