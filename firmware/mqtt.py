"""A small MQTT 3.1.1 client: one `Connection` is one TCP or TLS connection, from CONNECT to its end. Who wants another opens another.

QoS 1 in both directions, last will, keep-alive that notices a half-open connection, a bounded number of unacknowledged publishes, a time limit on
every wait. Written from the standard (OASIS MQTT 3.1.1, 29 October 2014); section numbers refer to it.
"""

import asyncio

from firmware.errors import LINK_ERRORS, MqttError

TYPE_CHECKING = False  # `typing` is not on the node; type checkers take this name for true
if TYPE_CHECKING:
    import ssl

    from firmware.boundaries import OnMessage, Task

__all__ = ["LINK_ERRORS", "Connection", "MqttError"]
CONNACK, PUBLISH, PUBACK, SUBACK, PINGRESP = 2, 3, 4, 9, 13
_REFUSALS = ("", "protocol version", "client id", "server unavailable", "user name or password", "not authorised")


# Up to this size a packet is sent in one piece, so that it is not held back for the broker's TCP acknowledgement; a longer one is not copied.
_ONE_PIECE = 512


def remaining_length(size: int) -> bytes:
    """Return the variable-length encoding of a packet's size (section 2.2.3)."""
    out = bytearray()
    while True:
        size, digit = size >> 7, size & 0x7F
        out.append(digit | 0x80 if size else digit)
        if not size:
            return bytes(out)


def text(value: str) -> bytes:
    """Return a UTF-8 string with its length before it (section 1.5.3)."""
    data = value.encode()
    return len(data).to_bytes(2, "big") + data


def connect_packet(
    client_id: str, keep_alive: int, user: "str | None", password: "str | None", will: "tuple[str, bytes] | None"
) -> bytes:
    """Return a CONNECT packet with a clean session; the will is retained, with QoS 1 (section 3.1)."""
    flags = 0x02
    payload = text(client_id)
    if will:
        flags |= 0x04 | 0x08 | 0x20
        payload += text(will[0]) + len(will[1]).to_bytes(2, "big") + will[1]
    if user is not None:
        flags |= 0x80
        payload += text(user)
        if password is not None:
            flags |= 0x40
            payload += text(password)
    body = b"\x00\x04MQTT\x04" + bytes([flags]) + keep_alive.to_bytes(2, "big") + payload
    return b"\x10" + remaining_length(len(body)) + body


class Connection:
    """One connection to a broker.

    Parameters
    ----------
    reader, writer : asyncio streams
    on_message : called with ``(topic, payload)`` of each message
    timeout : the longest wait for any answer, s
    max_unacknowledged : publishes that may wait for their PUBACK at once
    max_packet : a longer packet ends the connection, B

    Attributes
    ----------
    closed : event, set at the end
    error : why it ended
    acknowledged : publishes that the broker has acknowledged
    """

    def __init__(
        self,
        reader: "asyncio.StreamReader",
        writer: "asyncio.StreamWriter",
        on_message: "OnMessage",
        timeout: float,
        max_unacknowledged: int,
        max_packet: int,
    ) -> None:
        self._reader, self._writer, self._on_message = reader, writer, on_message
        self._timeout, self._max_unacknowledged, self._max_packet = timeout, max_unacknowledged, max_packet
        self._lock = asyncio.Lock()
        self._waiting: "dict[int, asyncio.Event]" = {}
        self._packet_id = 0
        self._heard = True
        self._tasks: "list[Task]" = []
        self.closed = asyncio.Event()
        self.error: "Exception | None" = None
        self.acknowledged = 0

    @classmethod
    async def open(
        cls,
        host: str,
        port: int,
        client_id: str,
        on_message: "OnMessage",
        *,
        user: "str | None" = None,
        password: "str | None" = None,
        will: "tuple[str, bytes] | None" = None,
        tls: "ssl.SSLContext | None" = None,
        server_name: "str | None" = None,
        keep_alive: int = 60,
        timeout: float = 10.0,  # noqa: ASYNC109 (MicroPython has no asyncio.timeout)
        max_unacknowledged: int = 4,
        max_packet: int = 8192,
    ) -> "Connection":
        """Connect to a broker and return the connection.

        Raises
        ------
        LINK_ERRORS
            where there is no broker or it refuses
        """
        if tls is None:
            opening = asyncio.open_connection(host, port)
        else:
            opening = asyncio.open_connection(host, port, ssl=tls, server_hostname=server_name or host)
        reader, writer = await asyncio.wait_for(opening, timeout)
        self = cls(reader, writer, on_message, timeout, max_unacknowledged, max_packet)
        try:
            await self._send(connect_packet(client_id, keep_alive, user, password, will))
            head, body = await asyncio.wait_for(self._packet(), timeout)
            if head >> 4 != CONNACK or len(body) != 2:
                raise MqttError(f"the broker answered CONNECT with packet type {head >> 4}")
            if body[1]:
                reason = _REFUSALS[body[1]] if body[1] < len(_REFUSALS) else str(body[1])
                raise MqttError("the broker refused the connection: " + reason)
        except ValueError as error:  # so MicroPython says that a certificate is not to be trusted
            await self.end(error)
            raise MqttError("TLS: " + str(error).strip())  # noqa: B904 (MicroPython does not chain)
        except LINK_ERRORS as error:
            await self.end(error)
            raise
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._keep_alive(keep_alive))]
        return self

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Publish with QoS 1; return when the broker has acknowledged.

        A PUBACK says that the broker took the message, not that anybody stored it: a broker acknowledges even what its access list drops.

        Raises
        ------
        LINK_ERRORS
            where it did not; the connection is closed then
        """
        packet_id = self._next_id()
        name = text(topic)
        head = bytes([0x32 | retain]) + remaining_length(len(name) + 2 + len(payload)) + name + packet_id.to_bytes(2, "big")
        if len(payload) <= _ONE_PIECE:
            head, payload = head + payload, b""
        await self._request(head, packet_id, payload)
        self.acknowledged += 1

    async def subscribe(self, topics: "list[str]") -> None:
        """Subscribe with QoS 1; return when the broker has granted all.

        Raises
        ------
        LINK_ERRORS
            where it did not
        """
        packet_id = self._next_id()
        body = packet_id.to_bytes(2, "big")
        for topic in topics:
            body += text(topic) + b"\x01"
        await self._request(b"\x82" + remaining_length(len(body)) + body, packet_id)

    async def close(self) -> None:
        """Say DISCONNECT, so that the broker forgets the will, and close."""
        if not self.closed.is_set():
            try:
                await self._send(b"\xe0\x00")
            except LINK_ERRORS:
                pass
        await self.end(MqttError("closed by the node"))

    # -- inside -------------------------------------------------------------------------------------------------------------------------

    def _next_id(self) -> int:
        if self.closed.is_set():
            raise MqttError(f"not connected: {self.error}")
        if len(self._waiting) >= self._max_unacknowledged:
            raise MqttError(f"{len(self._waiting)} publishes wait for the broker already")
        while True:
            self._packet_id = self._packet_id % 65535 + 1
            if self._packet_id not in self._waiting:
                return self._packet_id

    async def _request(self, packet: bytes, packet_id: int, rest: bytes = b"") -> None:
        answered = self._waiting[packet_id] = asyncio.Event()
        try:
            await self._send(packet, rest)
            await asyncio.wait_for(answered.wait(), self._timeout)
        except LINK_ERRORS as error:
            await self.end(error)
            raise
        finally:
            self._waiting.pop(packet_id, None)
        if self.error is not None:
            raise MqttError(f"the connection ended: {self.error}")

    async def _send(self, packet: bytes, rest: bytes = b"") -> None:
        await asyncio.wait_for(self._write(packet, rest), self._timeout)

    async def _write(self, packet: bytes, rest: bytes) -> None:
        async with self._lock:  # MicroPython's streams take one writer at a time
            self._writer.write(packet)
            await self._writer.drain()
            if rest:
                self._writer.write(rest)
                await self._writer.drain()

    async def _packet(self) -> "tuple[int, bytes]":
        head = (await self._reader.readexactly(1))[0]
        size, shift = 0, 0
        while True:
            digit = (await self._reader.readexactly(1))[0]
            size |= (digit & 0x7F) << shift
            if not digit & 0x80:
                break
            shift += 7
            if shift > 21:
                raise MqttError("the broker sent a malformed packet length")
        if size > self._max_packet:
            raise MqttError(f"the broker sent a packet of {size} B; at most {self._max_packet} fit")
        return head, await self._reader.readexactly(size) if size else b""

    async def _read(self) -> None:
        try:
            while not self.closed.is_set():
                head, body = await self._packet()
                self._heard = True
                kind = head >> 4
                if kind == PUBLISH:
                    await self._received(head, body)
                elif kind in {PUBACK, SUBACK}:
                    if len(body) < 2:
                        raise MqttError("the broker sent an acknowledgement without a packet id")
                    if kind == SUBACK and 0x80 in body[2:]:
                        raise MqttError("the broker refused a subscription")
                    answered = self._waiting.get(int.from_bytes(body[:2], "big"))
                    if answered is not None:
                        answered.set()
                elif kind != PINGRESP:
                    raise MqttError(f"the broker sent packet type {kind}")
        except LINK_ERRORS as error:
            await self.end(error)

    async def _received(self, head: int, body: bytes) -> None:
        size = int.from_bytes(body[:2], "big")
        at = 2 + size
        packet_id = b""
        if head & 0x06:
            packet_id, at = body[at : at + 2], at + 2
        if at > len(body):
            raise MqttError("the broker sent a truncated publish")
        try:
            topic = str(body[2 : 2 + size], "utf-8")
        except ValueError:  # UnicodeError on both interpreters
            raise MqttError("the broker sent a topic that is not UTF-8")  # noqa: B904 (MicroPython does not chain)
        self._on_message(topic, body[at:])
        if packet_id:
            await self._send(b"\x40\x02" + packet_id)

    async def _keep_alive(self, seconds: int) -> None:
        try:
            while not self.closed.is_set():
                self._heard = False
                await self._send(b"\xc0\x00")
                await asyncio.sleep(seconds / 2)
                if not self._heard:  # a half-open connection takes what is written and never answers
                    raise MqttError(f"the broker was silent for {seconds / 2} s")
        except LINK_ERRORS as error:
            await self.end(error)

    async def end(self, error: Exception) -> None:
        """End the connection without a word to the broker."""
        if self.closed.is_set():
            return
        self.error = error
        self.closed.set()
        for answered in self._waiting.values():
            answered.set()
        current = asyncio.current_task()
        for task in self._tasks:
            if task is not current:
                task.cancel()
        self._writer.close()
        try:
            await asyncio.wait_for(self._writer.wait_closed(), 2)
        except LINK_ERRORS:
            pass
