"""echo (RFC 862), TCP and UDP: what comes in goes back.

It stops reading from a client that does not read, so a client costs one receive buffer at most.
"""

from __future__ import annotations

from services.service import Address, Conversation, Service


class EchoConversation(Conversation):
    def on_data(self, data: bytes) -> None:
        self.send(data)


class Echo(Service):
    name = "echo"
    port = 7
    text = "sends back what it gets (RFC 862)"
    exposes = "nothing but your bandwidth: whoever reaches it has his own bytes returned"
    is_greeting = True
    conversation = EchoConversation

    def answer(self, data: bytes, source: Address) -> bytes | None:
        return data
