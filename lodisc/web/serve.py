"""`serve` and `open_photos`: one collection in the browser.

By default only this machine reaches it; for other addresses every request needs a token.
"""

import errno
import ipaddress
import logging
import os
import secrets
import socket
import sys
import threading
import time
import webbrowser
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lodisc.collection.collection import Collection
from lodisc.collection.files import CollectionFiles
from lodisc.collection.filling_terms import Choice
from lodisc.console import note, stdout
from lodisc.data.labels import plain_user
from lodisc.data.photo import printable
from lodisc.errors import UserError
from lodisc.web.tokens import require_strong

PORT = 8765
TOKEN = "LODISC_TOKEN"
GRACE = 1  # seconds for running requests when the server is stopped
# Names of the threads that answer requests, or prepare answers
WORKERS = ("AnyIO worker thread", "layout", "grouping", "dates", "warm-up")
SERVER_SETTINGS: dict[str, Any] = {
    "log_level": "warning",
    "access_log": False,
    "server_header": False,
    "proxy_headers": False,
    "ws": "none",
    "timeout_graceful_shutdown": GRACE,
}
WITHOUT_WEB = 'the pages need FastAPI and uvicorn:  pip install "lodisc[web]"'


def serve(
    collection: str | Path,
    *,
    host: str = "127.0.0.1",
    port: int = PORT,
    name: str | None = None,
    token: str | None = None,
    user: str | None = None,
    open_browser: bool = False,
) -> None:
    """Serve the pages of a collection until it is interrupted.

    `name` is the host name under which a proxy passes requests on. An address or a name that other
    machines reach needs a token: `token`, that of the environment variable LODISC_TOKEN, or a new
    one, which is printed. `user` is the name of the person who labels, where a browser has none.
    Raises `UserError` for a folder that does not hold a collection, a port that is taken, or a
    missing FastAPI.
    """
    user = None if user is None else plain_user(user)

    def app(token: str | None, hosts: Sequence[str]) -> Any:
        from lodisc.web.app import create_app

        return create_app(collection, token=token, hosts=hosts, user=user)

    _run(app, host=host, port=port, name=name, token=token, open_browser=open_browser)


def open_photos(
    data: str | Path,
    *,
    collection: str | Path | None = None,
    choice: Choice | None = None,
    host: str = "127.0.0.1",
    port: int = PORT,
    name: str | None = None,
    user: str | None = None,
    open_browser: bool = False,
) -> None:
    """Serve the pages of the photographs in `data`, and read them meanwhile, until interrupted.

    Their collection is beside `data` unless it is given; if it is there already, it takes in what
    is new, changed or gone. `data` may be a collection, too, whose photographs it then is. Raises
    `UserError` as `serve` does, and if the photographs can't be read and there is no collection to
    show.
    """
    data, user = Path(data), None if user is None else plain_user(user)
    if collection is None and CollectionFiles(data).photos.is_dir():
        data, folder = Path(Collection(data).settings["data"]), data
    else:
        folder = Path(collection) if collection is not None else _beside(data)
    if not data.exists():
        words = f"{printable(data)}: no such folder, list or tar file"
        if CollectionFiles(folder).photos.is_dir():
            words += f"; its collection is there:  lodisc serve {printable(folder)}"
        raise UserError(words)
    openings: list[Any] = []

    def app(token: str | None, hosts: Sequence[str]) -> Any:
        from lodisc.web.opening import Opening
        from lodisc.web.state.filling import Filling

        filling = Filling(data, folder, choice or Choice())
        openings.append(Opening(folder, filling, token=token, hosts=hosts, user=user))
        return openings[0]

    def end_if_there_is_nothing_to_show(server: Any) -> None:
        def act(words: str) -> None:
            if CollectionFiles(folder).photos.is_dir():
                note(f"The photographs could not be read to the end: {words}")
            else:
                server.should_exit = True

        openings[0].filling.on_failure(act)

    _run(
        app,
        host=host,
        port=port,
        name=name,
        open_browser=open_browser and _has_screen(),
        prepare=end_if_there_is_nothing_to_show,
    )
    failure = openings[0].filling.failure
    if failure is not None and not CollectionFiles(folder).photos.is_dir():
        raise UserError(failure)


def _has_screen() -> bool:
    """Whether a browser has a window; without one, Python would take over the terminal by lynx."""
    return sys.platform == "darwin" or any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY")))


def _beside(data: Path) -> Path:
    """The folder of the collection of these photographs: birds.lodisc beside birds."""
    absolute = Path(os.path.abspath(data))  # noqa: PTH100 - keeps links
    if not absolute.name:
        raise UserError(f"{data} has nothing beside it; name a folder by --collection")
    return absolute.with_name(f"{absolute.name}.lodisc")


def _run(
    make_app: Callable[[str | None, Sequence[str]], Any],
    *,
    host: str,
    port: int,
    name: str | None,
    open_browser: bool,
    token: str | None = None,
    prepare: Callable[[Any], None] = lambda server: None,
) -> None:
    """Serve what `make_app` makes for a token and host names; `prepare` gets the server first."""
    try:
        import uvicorn

        from lodisc.web.connections import BoundedProtocol
        from lodisc.web.security import ANY_ADDRESS, LOOPBACK, host_of
    except ImportError as error:
        if (error.name or "").split(".")[0] == "lodisc":
            raise
        raise UserError(WITHOUT_WEB) from None
    token = token or os.environ.get(TOKEN) or None
    if token is not None:
        require_strong(token)
    hosts: tuple[str, ...] = (*LOOPBACK, host)
    if name is not None:
        if host_of(name) != name.lower():
            raise UserError(f"--name {name} is not a host name; leave out https:// and the port")
        hosts = (*hosts, name)
    if not is_loopback(host):
        hosts = (*hosts, *_own_names(), ANY_ADDRESS)
    if name is not None or not is_loopback(host):
        token = token or secrets.token_urlsafe()
    with _listen(host, port) as listener:
        app = make_app(token, hosts)
        address = _address(host, listener.getsockname()[1], token)
        server = uvicorn.Server(uvicorn.Config(app, http=BoundedProtocol, **SERVER_SETTINGS))
        # Requests that are cut off when the server stops are not errors
        logging.getLogger("uvicorn.error").addFilter(lambda record: not server.should_exit)
        prepare(server)
        stdout.print(f"{address}   Ctrl-C stops it", markup=False, soft_wrap=True)
        if open_browser:
            threading.Thread(target=_open, args=(server, address), daemon=True).start()
        try:
            server.run(sockets=[listener])
        except KeyboardInterrupt:
            _end_busy_process()
            raise


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _end_busy_process() -> None:
    """End the process at once if a thread still computes.

    Otherwise the interpreter waits for the thread, and its native code aborts during shutdown.
    """
    time.sleep(0.1)  # idle threads end by themselves
    if any(thread.name.startswith(WORKERS) for thread in threading.enumerate()):
        note("lodisc: stopped")
        sys.stdout.flush()
        os._exit(130)


def _listen(host: str, port: int) -> socket.socket:
    if not 0 <= port < 65536:
        raise UserError(f"--port {port} is out of range; use 1 to 65535, or 0 for any free port")
    advice = "use 127.0.0.1, or 0.0.0.0 for all addresses of this machine"
    try:
        places = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise UserError(f"--host {host}: no such address on this machine; {advice}") from None
    family, kind, protocol, _, place = places[0]
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(place)
        listener.listen(2048)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise UserError(
                f"--port {port} is taken by another program; "
                f"use --port {port + 1}, or 0 for any free port"
            ) from None
        if error.errno == errno.EACCES:
            raise UserError(
                f"--port {port} is reserved for the system; use --port {PORT}"
            ) from None
        reason = (error.strerror or "no such address").lower()
        raise UserError(f"--host {host}: {reason}; {advice}") from None
    return listener


def _address(host: str, port: int, token: str | None) -> str:
    """The address to open; a server on all addresses is reached by the name of this machine."""
    name = socket.gethostname() if host in ("0.0.0.0", "::") else host
    netloc = f"[{name}]:{port}" if ":" in name else f"{name}:{port}"
    return f"http://{netloc}/{f'?token={token}' if token else ''}"


def _own_names() -> list[str]:
    name = socket.gethostname()
    return [name, f"{name}.local", socket.getfqdn()]


def _open(server: Any, address: str) -> None:
    while not server.started and not server.should_exit:
        time.sleep(0.05)
    webbrowser.open(address)
