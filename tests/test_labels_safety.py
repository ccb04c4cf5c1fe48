"""No label is lost: other processes, kill -9, a full disk, files that do not hold labels."""

import ctypes
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lodisc.collection.label_file import Busy
from lodisc.collection.labels import Labels
from lodisc.errors import UserError


@pytest.fixture
def labels(tmp_path: Path) -> Labels:
    folder = tmp_path / "odd #1 50%?\N{BIRD}"
    folder.mkdir()
    return Labels(folder / "labels.sqlite")


TYPE = """
import sys
from lodisc.collection.labels import Labels
labels = Labels(sys.argv[1])
for number in range(int(sys.argv[3])):
    assert labels.set([f"{sys.argv[2]}-{number}-{i}" for i in range(5)], f"label {number}") == 5
    print(number, flush=True)
"""


def type_labels(path: Path, name: str, count: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", TYPE, str(path), name, str(count)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_processes_and_four_threads_write_at_once(labels: Labels) -> None:
    processes = [type_labels(labels.path, name, 20) for name in "ab"]
    threads = [
        threading.Thread(
            target=lambda name=name: [labels.set([f"{name}-{i}"], "owl") for i in range(10)]
        )
        for name in "cdef"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for process in processes:
        _, messages = process.communicate(timeout=60)
        assert process.returncode == 0, messages
    assert len(labels.current()) == 2 * 20 * 5 + 4 * 10
    assert len(labels.history()) == labels.version == 2 * 20 + 4 * 10


def test_nothing_is_lost_when_killed(labels: Labels) -> None:
    """Whatever was acknowledged is there; what was being written is there whole, or not at all."""
    for round_ in range(4):
        process = type_labels(labels.path, f"round {round_}", 10_000)
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(5 + 3 * round_)]
        process.send_signal(signal.SIGKILL)
        said += process.stdout.readlines()
        process.communicate()
        acknowledged = len([line for line in said if line.endswith("\n")])
        kept = [key for key in labels.current() if key.startswith(f"round {round_}-")]
        assert len(kept) % 5 == 0 and 0 <= len(kept) // 5 - acknowledged <= 1
        with sqlite3.connect(labels.path) as database:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        database.close()
        assert labels.set([f"after {round_}"], "owl") == 1


def test_a_backup_that_is_put_back_is_seen(labels: Labels) -> None:
    labels.set(["a"], "wren")
    backup = labels.path.read_bytes()
    labels.set(["a", "b"], "owl")
    fresh = labels.path.with_name("fresh")
    fresh.write_bytes(backup)
    fresh.replace(labels.path)
    assert labels.current() == {"a": "wren"}
    labels.set(["c"], "owl")
    assert Labels(labels.path).current() == {"a": "wren", "c": "owl"}


def another_program(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE mine (value TEXT)")
    database.close()


def from_a_newer_one(path: Path) -> None:
    Labels(path).set(["a"], "wren")
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (
            lambda path: path.write_bytes(b"Dear diary, today I saw a finch.\n" * 99),
            "not a database of labels; move it away",
        ),
        (lambda path: path.write_bytes(b"short"), "not a database of labels; move it away"),
        (another_program, "a database of another program; move it away"),
        (from_a_newer_one, r"by a newer lodisc \(format 99\); update lodisc"),
    ],
)
def test_a_file_that_is_none_is_refused_and_not_touched(tmp_path: Path, make, reason: str) -> None:
    path = tmp_path / "labels.sqlite"
    make(path)
    before = path.read_bytes()
    for use in (
        lambda: Labels(path).current(),
        lambda: Labels(path).set(["a"], "owl"),
        Labels(path).undo,
        Labels(path).history,
    ):
        with pytest.raises(ValueError, match=reason) as caught:
            use()
        assert "labels.sqlite" in str(caught.value) and "\n" not in str(caught.value)
    assert path.read_bytes() == before and [one.name for one in tmp_path.iterdir()] == [
        "labels.sqlite"
    ]


def test_an_empty_file_is_a_beginning(tmp_path: Path) -> None:
    (tmp_path / "labels.sqlite").touch()
    labels = Labels(tmp_path / "labels.sqlite")
    assert (
        labels.current() == {}
        and labels.set(["a"], "wren") == 1
        and labels.current() == {"a": "wren"}
    )


def test_the_first_label_may_be_typed_while_another_one_reads(
    labels: Labels, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels.path.touch()
    writer = threading.Thread(target=lambda: labels.set(["a"], "owl"))

    class Reader(sqlite3.Connection):
        def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
            if "sqlite_master" in sql and threading.current_thread() is not writer:
                writer.start()
                writer.join(timeout=0.5)  # between two looks of the reader at the same file
            return super().execute(sql, *values)

    connect = sqlite3.connect
    monkeypatch.setattr(
        sqlite3, "connect", lambda *place, **settings: connect(*place, factory=Reader, **settings)
    )
    assert labels.current() == {}
    writer.join()
    assert labels.current() == {"a": "owl"}


def test_a_damaged_file_is_said_to_be_damaged(labels: Labels) -> None:
    labels.set([f"photograph {number}" for number in range(5000)], "wren")
    data = bytearray(labels.path.read_bytes())
    data[4096:] = os.urandom(len(data) - 4096)
    labels.path.write_bytes(data)
    with pytest.raises(ValueError, match=r"is damaged \(.*\); restore a copy of it"):
        labels.current()


def without_version(database: sqlite3.Connection) -> None:
    database.execute("DELETE FROM version")


def two_versions(database: sqlite3.Connection) -> None:
    database.execute("INSERT INTO version VALUES (7)")


def version_of_text(database: sqlite3.Connection) -> None:
    database.execute("UPDATE version SET number = 'x'")


def without_labels(database: sqlite3.Connection) -> None:
    database.execute("DROP TABLE labels")


def without_changes(database: sqlite3.Connection) -> None:
    database.execute("DROP TABLE changes")


def label_of_bytes(database: sqlite3.Connection) -> None:
    database.execute("UPDATE labels SET label = x'00ff'")


def label_that_is_not_utf8(database: sqlite3.Connection) -> None:
    database.execute("UPDATE labels SET label = CAST(x'ff' AS TEXT)")


def key_of_bytes(database: sqlite3.Connection) -> None:
    database.execute("UPDATE labels SET key = x'00ff'")


def action_of_bytes(database: sqlite3.Connection) -> None:
    database.execute("UPDATE actions SET label = x'00ff', count = 'many'")


def change_to_bytes(database: sqlite3.Connection) -> None:
    database.execute("UPDATE changes SET before = x'00ff'")


@pytest.mark.parametrize(
    ("harm", "uses"),
    [
        (without_version, ["current", "set", "undo", "history"]),
        (two_versions, ["current", "set"]),
        (version_of_text, ["current", "set"]),
        (without_labels, ["current", "set", "undo"]),
        (without_changes, ["set", "undo"]),
        (label_of_bytes, ["current", "set", "undo"]),
        (label_that_is_not_utf8, ["current", "set", "undo"]),
        (key_of_bytes, ["current"]),
        (action_of_bytes, ["history", "undo"]),
        (change_to_bytes, ["undo"]),
    ],
)
def test_no_label_vanishes_from_a_damaged_table(
    labels: Labels, harm: Callable[[sqlite3.Connection], None], uses: list[str]
) -> None:
    labels.set(["a"], "wren")
    with sqlite3.connect(labels.path) as database:
        harm(database)
    database.close()
    before = labels.path.read_bytes()
    fresh = Labels(labels.path)
    calls: dict[str, Callable[[], Any]] = {
        "current": fresh.current,
        "set": lambda: fresh.set(["a"], "owl"),
        "undo": fresh.undo,
        "history": fresh.history,
    }
    for use in uses:
        with pytest.raises(
            UserError, match=r"labels\.sqlite is damaged \(.*\); restore a copy of it"
        ) as caught:
            calls[use]()
        assert "\n" not in str(caught.value)
    assert labels.path.read_bytes() == before


def test_another_file_of_the_same_version_has_another_stamp(labels: Labels) -> None:
    assert labels.stamp == Labels(labels.path).stamp == (0, 0, 0, 0)
    labels.set(["a"], "wren")
    other = Labels(labels.path.with_name("other.sqlite"))
    other.set(["a"], "owl")
    assert labels.version == other.version and labels.stamp != other.stamp
    stamp = labels.stamp
    other.path.replace(labels.path)
    assert labels.stamp != stamp and labels.current() == {"a": "owl"}


FULL = """
import resource, signal, sys
from lodisc.collection.labels import Labels
labels = Labels(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
try:
    labels.set([f"photograph {number}" for number in range(20_000)], "owl")
except OSError as error:
    sys.exit(str(error))
"""


def test_a_full_disk_changes_nothing(labels: Labels) -> None:
    labels.set(["a"], "wren")
    ran = subprocess.run(
        [sys.executable, "-c", FULL, str(labels.path), "100000"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (
        ran.returncode == 1 and "nothing was changed" in ran.stderr and "disk is full" in ran.stderr
    )
    assert len(ran.stderr.strip().splitlines()) == 1
    assert (
        labels.current() == {"a": "wren"}
        and len(labels.history()) == 1
        and labels.set(["b"], "owl") == 1
    )


READ_ONLY = """
import sys
from lodisc.collection.labels import Labels
labels = Labels(sys.argv[1])
assert labels.current() == {"a": "wren"}
try:
    labels.set(["b"], "owl")
except OSError as error:
    sys.exit(str(error))
"""


def obey_permissions() -> None:
    """Let root be refused too: drop CAP_DAC_OVERRIDE for the program that starts now."""
    ctypes.CDLL(None).prctl(24, 1, 0, 0, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="permissions bind root on Linux only")
def test_a_collection_that_may_only_be_read_is_read(labels: Labels) -> None:
    labels.set(["a"], "wren")
    labels.path.chmod(0o444)
    labels.path.parent.chmod(0o555)
    try:
        ran = subprocess.run(
            [sys.executable, "-c", READ_ONLY, str(labels.path)],
            capture_output=True,
            text=True,
            timeout=60,
            preexec_fn=obey_permissions,
        )
    finally:
        labels.path.parent.chmod(0o755)
    assert ran.returncode == 1 and ran.stderr.strip().endswith(
        "the file or its folder is read-only"
    ), ran.stderr
    assert labels.current() == {"a": "wren"}


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    labels = Labels(tmp_path / "missing" / "labels.sqlite")
    assert labels.current() == {} and labels.undoable() == {}
    with pytest.raises(
        OSError, match=r"missing/labels\.sqlite: nothing was changed: .* its folder exists"
    ):
        labels.set(["a"], "wren")


def test_a_program_that_keeps_it_busy_is_waited_for_and_then_named(tmp_path: Path) -> None:
    labels = Labels(tmp_path / "labels.sqlite", patience=0.2)
    labels.set(["a"], "wren")
    other = sqlite3.connect(labels.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert labels.current() == {"a": "wren"}
    with pytest.raises(Busy, match=r"nothing was changed: .* has kept it busy for 0\.2 seconds"):
        labels.set(["a"], "owl")
    other.execute("ROLLBACK")
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(Busy, match=r"sqlite: another program has kept it busy for 0\.1 seconds"):
        Labels(labels.path, read_patience=0.1).current()
    other.close()
    assert labels.set(["a"], "owl") == 1
