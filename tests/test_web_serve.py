"""`serve` as a process: the address it prints, what it refuses in one line, and how it ends."""

import re
import signal
import socket
import sys
from pathlib import Path
from random import Random
from string import ascii_letters, digits

import httpx2 as httpx
import pytest
from web import make_collection, served

from lodisc.web.serve import is_loopback, serve
from lodisc.web.tokens import require_strong


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory, run: Path) -> Path:
    return make_collection(tmp_path_factory.mktemp("serve"), run)


@pytest.mark.slow
def test_this_machine_needs_no_token_and_ctrl_c_ends_it(collection: Path) -> None:
    with served(collection, port=0) as (process, address):
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", address)
        assert httpx.get(f"{address}api/collection").json()["photographs"] == 16
        assert (
            httpx.get(f"{address}api/collection", headers={"Host": "evil.example"}).status_code
            == 421
        )
        process.send_signal(signal.SIGINT)
        _, messages = process.communicate(timeout=20)
    assert "ERROR" not in messages and messages.strip().splitlines()[-1] in (
        "KeyboardInterrupt",
        "lodisc: stopped",
    )
    assert process.returncode in (130, -signal.SIGINT)


@pytest.mark.slow
def test_the_name_that_a_proxy_passes_on_demands_a_token(collection: Path) -> None:
    with served(collection, name="Birds.example.org", port=0) as (_, address):
        here, _, token = address.partition("?token=")
        for host, status in (("birds.example.org", 200), ("other.example.org", 421)):
            headers = {"Host": host, "Authorization": f"Bearer {token}"}
            assert httpx.get(f"{here}api/collection", headers=headers).status_code == status
        assert httpx.get(f"{here}api/collection").status_code == 401


@pytest.mark.slow
def test_other_addresses_demand_the_token_that_is_printed(collection: Path) -> None:
    with served(collection, host="0.0.0.0", port=0) as (_, address):
        found = re.fullmatch(r"http://([^/:]+):(\d+)/\?token=([\w-]{40,})", address)
        assert found and found[1] == socket.gethostname()
        here = f"http://127.0.0.1:{found[2]}"
        assert httpx.get(f"{here}/api/collection").status_code == 401
        assert (
            httpx.get(
                f"{here}/api/collection", headers={"Authorization": f"Bearer {found[3]}"}
            ).status_code
            == 200
        )
        with httpx.Client(follow_redirects=True) as browser:
            assert browser.get(f"{here}/?token={found[3]}").url == f"{here}/"
            assert (
                browser.get(f"{here}/api/collection", headers={"Host": found[1]}).status_code == 200
            )
            assert (
                browser.get(f"{here}/api/collection", headers={"Host": "evil.example"}).status_code
                == 421
            )


def test_what_cannot_be_served_is_refused_in_one_line(
    collection: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match="is not a collection"):
        serve(tmp_path, port=0)
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(ValueError, match=r"--port \d+ is taken by another program"),
    ):
        serve(collection, port=taken.getsockname()[1])
    for port in (-1, 65536):
        with pytest.raises(ValueError, match=f"--port {port} is out of range"):
            serve(collection, port=port)
    for host in ("192.0.2.7", "no.such.host.invalid", "", "a" * 70):
        with pytest.raises(ValueError, match="--host"):
            serve(collection, host=host, port=0)
    for name in ("https://birds.example.org", "birds.example.org:443", "bir ds", ""):
        with pytest.raises(ValueError, match=f"--name {name} is not a host name"):
            serve(collection, port=0, name=name)
    for token in (
        "short",
        "with a space in it",
        "ünïcödé-token",
        "elevenchars",
        "a" * 40,
        "abababababababab",
        "123456789012",
        "1234567890123456",
        "password1234",
        "password12345678",
        "abcdefabcdef",
        "passwordpassword",
        "PasswordPassword",
        "qwertyuiop12",
        "Qwertyuiop-8h3k2",
        "12345678-8h3k2xZ",
        "AbcDefGhiJklMno_",
        "3h8Dk9xZ3h8Dk9xZ",
        "lodisc-3h8Dk9xZq",
        "9876543210987654",
        "zyxwvutsrqponmlk",
        "1q2w3e4r5t6y7u8i",
        "qazwsxedcrfvtgby",
        "a1b2c3d4e5f6g7h8",
        "aaaaaaaaaabcdefg",
        "changemechangeme1",
        "admin-admin-2024",
        "passw0rd-passw0rd1",
        "iloveyou-iloveyou",
        "Winter2025Winter2025",
        "correcthorsebatterystaple",
        "qwErty-poiuYt-12345",
        "GitHub-GitHub-0042",
        "zaq12wsxzaq12wsx",
    ):
        monkeypatch.setenv("LODISC_TOKEN", token)
        with pytest.raises(
            ValueError, match=r"a token has at least 16 .* leave it out to get a new one"
        ) as refused:
            serve(collection, port=0)
        advised = re.search(r"[0-9a-f]{32}", str(refused.value))
        assert advised
        require_strong(advised[0])
    for token in (
        "7f3a9c04e1b85d62",
        "3b8acaead5dafd57",
        "h0gsDzLdofxekpba",
        "correct-horse-b4ttery",
        "Xk9~pL2.vQ7_mN4-",
    ):
        monkeypatch.setenv("LODISC_TOKEN", token)
        with (
            socket.create_server(("127.0.0.1", 0)) as taken,
            pytest.raises(ValueError, match=r"--port \d+ is taken"),
        ):
            serve(collection, port=taken.getsockname()[1])
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(ValueError, match=r'pip install "lodisc\[web\]"'):
        serve(collection, port=0)


@pytest.mark.parametrize(
    ("letters", "length"),
    [
        ("0123456789abcdef", 16),
        ("0123456789abcdef", 32),
        (f"{ascii_letters}{digits}", 16),
        (f"{ascii_letters}{digits}-_", 16),
        (f"{ascii_letters}{digits}-_", 22),
    ],
)
def test_random_tokens_are_not_refused(letters: str, length: int) -> None:
    random = Random(0)
    for _ in range(10_000):
        require_strong("".join(random.choices(letters, k=length)))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost", "LOCALHOST"])
def test_addresses_of_this_machine_alone(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        "0.0.0.0",
        "::",
        "192.168.1.5",
        "localhost.evil.example",
        "example.org",
        "10.0.0.1",
        "::ffff:127.0.0.1x",
    ],
)
def test_addresses_that_others_reach(host: str) -> None:
    assert not is_loopback(host)
