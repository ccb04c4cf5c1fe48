"""Connections whose client stops in the middle do not stay open.

uvicorn bounds how long it waits for the next request, but not for the rest of one.
"""

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEADER_SECONDS = 20.0  # for all headers of a request
PIECE_SECONDS = 60.0  # for the next piece of a body, or until more of the response is taken


class BoundedProtocol(H11Protocol):
    """HTTP/1.1 that closes a connection whose client has kept it waiting too long."""

    _receive_timer: asyncio.TimerHandle | None = None
    _send_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._receive_within(HEADER_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_receive_timer()
        self._stop_send_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is h11.SEND_BODY:
            self._receive_within(PIECE_SECONDS)
        elif self.conn.their_state is not h11.IDLE:
            self._stop_receive_timer()
        elif self._receive_timer is None:
            self._receive_within(HEADER_SECONDS)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._send_within(PIECE_SECONDS)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_send_timer()

    def _receive_within(self, seconds: float) -> None:
        self._stop_receive_timer()
        self._receive_timer = self.loop.call_later(seconds, self._give_up)

    def _send_within(self, seconds: float) -> None:
        rest = self.transport.get_write_buffer_size()
        self._send_timer = self.loop.call_later(seconds, self._require_progress, rest)

    def _require_progress(self, rest: int) -> None:
        """Go on with a client that has taken a part of the `rest`, in bytes."""
        if self.transport.get_write_buffer_size() < rest:
            self._send_within(PIECE_SECONDS)
        else:
            self.transport.abort()

    def _give_up(self) -> None:
        if self.flow.read_paused:  # what came is not read yet
            self._receive_within(PIECE_SECONDS)
        else:
            self.transport.abort()

    def _stop_receive_timer(self) -> None:
        if self._receive_timer is not None:
            self._receive_timer.cancel()
            self._receive_timer = None

    def _stop_send_timer(self) -> None:
        if self._send_timer is not None:
            self._send_timer.cancel()
            self._send_timer = None
