"""`serve`: one collection in the browser, for this machine alone unless another address is asked for, and then with a token."""

import errno
import ipaddress
import logging
import os
import re
import secrets
import socket
import sys
import threading
import time
import webbrowser
from pathlib import Path
from typing import Any

from lodisc.console import note, stdout
from lodisc.errors import UserError

PORT = 8765
TOKEN = "LODISC_TOKEN"
GRACE = 3  # seconds for requests under way when the server is stopped
WORKERS = (
    "AnyIO worker thread",
    "layout",
    "warm-up",
)  # the names of threads that answer requests, or prepare answers
WITHOUT_WEB = 'the page needs FastAPI and uvicorn:  pip install "lodisc[web]"'


def serve(
    collection: str | Path,
    *,
    host: str = "127.0.0.1",
    port: int = PORT,
    token: str | None = None,
    open_browser: bool = False,
) -> None:
    """Serve the page of a collection until it is interrupted.

    An address that other machines reach demands a token: `token`, that of the environment variable LODISC_TOKEN, or a new one, which is
    printed. Raises `UserError` when the folder holds no collection, the port is taken, or FastAPI is not installed.
    """
    try:
        import uvicorn

        from lodisc.web.app import create_app
        from lodisc.web.security import ANY_ADDRESS, LOOPBACK
    except ImportError as error:
        if (error.name or "").split(".")[0] == "lodisc":
            raise
        raise UserError(WITHOUT_WEB) from None
    token = _token(
        token or os.environ.get(TOKEN) or (None if is_loopback(host) else secrets.token_urlsafe())
    )
    names = (
        (*LOOPBACK, host) if is_loopback(host) else (*LOOPBACK, host, *_own_names(), ANY_ADDRESS)
    )
    with _listen(host, port) as listening:
        app = create_app(collection, token=token, hosts=names)
        address = _address(host, listening.getsockname()[1], token)
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=GRACE,
            ws="none",
        )
        server = uvicorn.Server(config)
        logging.getLogger("uvicorn.error").addFilter(
            lambda record: not server.should_exit
        )  # of requests that are cut off
        stdout.print(f"{address}   Ctrl-C stops it", markup=False, soft_wrap=True)
        if open_browser:
            threading.Thread(target=_open, args=(server, address), daemon=True).start()
        try:
            server.run(sockets=[listening])
        except KeyboardInterrupt:
            _give_up_work()
            raise


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _give_up_work() -> None:
    """End the process at once where a thread still computes: it would hold it back, and native code aborts when it is torn down."""
    time.sleep(0.1)  # those without work end by themselves
    if any(thread.name.startswith(WORKERS) for thread in threading.enumerate()):
        note("lodisc: stopped")
        sys.stdout.flush()
        os._exit(130)


def _token(token: str | None) -> str | None:
    if token is not None and not re.fullmatch(r"[A-Za-z0-9_.~-]{8,}", token):
        raise UserError(
            "a token has at least 8 letters, digits, - or _ and nothing else; leave it out to get a new one"
        )
    return token


def _listen(host: str, port: int) -> socket.socket:
    if not 0 <= port < 65536:
        raise UserError(f"--port {port} is out of range; use 1 to 65535, or 0 for any that is free")
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[
            0
        ]
    except (OSError, UnicodeError):
        raise UserError(
            f"--host {host}: no such address on this machine; use 127.0.0.1, or 0.0.0.0 for all"
        ) from None
    listening = socket.socket(family, kind, protocol)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(place)
        listening.listen(2048)
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise UserError(
                f"--port {port} is taken by another program; use --port {port + 1}, or 0 for any that is free"
            ) from None
        if error.errno == errno.EACCES:
            raise UserError(f"--port {port} is kept for the system; use --port {PORT}") from None
        raise UserError(
            f"--host {host}: {(error.strerror or 'no such address').lower()}; use 127.0.0.1, or 0.0.0.0 for all"
        ) from None
    return listening


def _address(host: str, port: int, token: str | None) -> str:
    """What to open: an address for all machines is reached by the name of this one."""
    name = socket.gethostname() if host in ("0.0.0.0", "::") else host
    return (
        f"http://{f'[{name}]' if ':' in name else name}:{port}/{f'?token={token}' if token else ''}"
    )


def _own_names() -> list[str]:
    name = socket.gethostname()
    return [name, f"{name}.local", socket.getfqdn()]


def _open(server: Any, address: str) -> None:
    while not server.started and not server.should_exit:
        time.sleep(0.05)
    webbrowser.open(address)
