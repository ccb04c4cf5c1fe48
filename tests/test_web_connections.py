"""Clients that stop in the middle of a request or a response, and what stays of them: nothing."""

import socket
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx2 as httpx
import pytest
import uvicorn
import web
from runs import until
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from web import Server, make_collection

from lodisc.web import connections, security
from lodisc.web.connections import BoundedProtocol

server = web.server
SECONDS = 0.5
UPLOAD = (
    b"POST /api/similar HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    b"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 9000\r\n\r\n"
)
STOPS = {
    "at once": b"",
    "in the first line": b"GET / HT",
    "in the headers": b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: ",
    "before the body": UPLOAD,
    "in the body": UPLOAD + b'--b\r\nContent-Disposition: form-data; name="file"; file',
}


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory, run: Path) -> Path:
    return make_collection(tmp_path_factory.mktemp("connections"), run).parent


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEADER_SECONDS", SECONDS)
    monkeypatch.setattr(connections, "PIECE_SECONDS", SECONDS)


def connect(server: Server, sent: bytes) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    client.sendall(sent)
    return client


def received_by(client: socket.socket) -> int:
    """How many bytes come until the connection ends."""
    count = 0
    with suppress(ConnectionResetError):
        while piece := client.recv(2**20):
            count += len(piece)
    return count


@pytest.mark.parametrize("stop", STOPS)
def test_who_stops_is_let_go(impatient: None, server: Server, stop: str) -> None:
    with connect(server, STOPS[stop]) as client:
        assert received_by(client) == 0
    assert httpx.get(f"{server.address}/api/labels").status_code == 200


def test_who_stops_in_a_second_request_is_let_go(impatient: None, server: Server) -> None:
    with connect(server, b"GET /api/labels HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n") as client:
        assert client.recv(12) == b"HTTP/1.1 200"
        client.sendall(b"GET /")
        client.settimeout(4)  # less than uvicorn keeps a connection on which nothing is asked
        received_by(client)


def test_who_does_not_take_the_response_is_let_go(impatient: None, server: Server) -> None:
    """Many responses in a row, none of which is read."""
    size = len(httpx.get(f"{server.address}/static/base.css").content)
    request = b"GET /static/base.css HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    with connect(server, request * 20_000) as client:
        until(lambda: server.connections)  # a busy machine takes its time to accept
        until(lambda: not server.connections)
        assert received_by(client) < size * 20_000


def test_a_slow_client_that_goes_on_is_answered(impatient: None, server: Server) -> None:
    boundary = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n'
    body = boundary + b"no photograph" * 100 + b"\r\n--b--\r\n"
    with connect(server, UPLOAD.replace(b"9000", str(len(body)).encode())) as client:
        for first in range(0, len(body), 300):
            time.sleep(SECONDS / 2)
            client.sendall(body[first : first + 300])
        assert client.recv(12) == b"HTTP/1.1 422"


def test_a_client_that_takes_a_large_response_slowly_gets_all_of_it(impatient: None) -> None:
    size = 2**21

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await Response(bytes(size))(scope, receive, send)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2**16)
        config = uvicorn.Config(app, http=BoundedProtocol, log_level="error", lifespan="off")
        running = uvicorn.Server(config)
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            with socket.socket() as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**16)
                client.connect(listener.getsockname())
                client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                count = 0
                while piece := client.recv(2**16):
                    count += len(piece)
                    time.sleep(SECONDS / 10)  # in all several times as long as one piece may take
        finally:
            running.should_exit = True
            thread.join(20)
    assert count > size


def test_bodies_that_fill_the_memory_are_refused(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(security, "MOST_RECEIVED", 2**20)
    head = UPLOAD.replace(b"9000", b"30000000")
    file = {"file": ("x.jpg", bytes(2**19))}

    def upload() -> int:
        answer = httpx.post(f"{server.address}/api/similar", files=file)
        if answer.status_code == 503:
            assert answer.headers["Retry-After"] == "10"
        return answer.status_code

    with ExitStack() as stack:
        for _ in range(20):  # those that only announce a body hold nothing
            stack.enter_context(connect(server, head))
        assert upload() == 422
        part = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n'
        stack.enter_context(connect(server, head + part + bytes(3 * 2**18)))
        until(lambda: upload() == 503)
        assert httpx.get(f"{server.address}/api/labels").status_code == 200
        assert httpx.post(f"{server.address}/api/labels/undo").status_code == 200
    until(lambda: upload() == 422)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_two_hundred_slow_clients_leave_nothing(impatient: None, server: Server) -> None:
    def descriptors() -> int:
        return sum(1 for _ in Path("/proc/self/fd").iterdir())

    before = descriptors()
    clients = [connect(server, sent) for _ in range(40) for sent in STOPS.values()]
    assert httpx.get(f"{server.address}/api/labels").status_code == 200
    assert sum(received_by(client) for client in clients) == 0
    for client in clients:
        client.close()
    until(lambda: descriptors() <= before + 2)
