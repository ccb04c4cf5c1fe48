"""Labels that people typed: undo, history, other processes, kill -9, a full disk, files that are none."""

import ctypes
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from lodisc.collection.labels import Labels


@pytest.fixture
def labels(tmp_path: Path) -> Labels:
    folder = tmp_path / "odd #1 50%?\N{BIRD}"
    folder.mkdir()
    return Labels(folder / "labels.sqlite")


def test_set_change_and_take_away(labels: Labels) -> None:
    assert labels.current() == {} and labels.version == 0 and labels.history() == [] and not labels.path.exists()
    assert labels.set(["a", "b", "a"], " wren ") == 2
    assert labels.set(["b", "c"], "finch") == 2
    assert labels.set(["a"], "wren") == 0, "nothing changed, so there is nothing to undo"
    assert labels.set(["c", "d"], None) == 1
    assert labels.set([], "wren") == 0
    assert labels.current() == {"a": "wren", "b": "finch"}
    assert [(action.label, action.count, action.how) for action in labels.history()] == [
        ("", 1, "typed"), ("finch", 2, "typed"), ("wren", 2, "typed")
    ]  # fmt: skip
    assert [path.name for path in labels.path.parent.iterdir()] == ["labels.sqlite"], "a copy of the one file is a backup"


def test_what_current_gives_is_the_callers_own(labels: Labels) -> None:
    labels.set(["a"], "wren")
    labels.current()["a"] = "finch"
    assert labels.current() == {"a": "wren"}


def test_a_label_for_each(labels: Labels) -> None:
    labels.set(["a", "b"], "wren")
    assert labels.set_each({"a": "finch", "b": None, "c": "owl", "d": None}, how="imported") == 3
    assert labels.current() == {"a": "finch", "c": "owl"}
    (action, _) = labels.history()
    assert (action.label, action.count, action.how) == (None, 3, "imported")
    assert action.words == "Several labels on 3 photographs (imported)"
    labels.undo()
    assert labels.current() == {"a": "wren", "b": "wren"}


def test_undo_and_redo_are_exact_however_often(labels: Labels) -> None:
    """Random actions, undone and redone at random, against a list of states."""
    draw = random.Random(0)
    states: list[dict[str, str]] = [{}]
    position = 0
    for _ in range(100):
        kind = draw.choice(["set", "set", "undo", "redo"])
        if kind == "set":
            keys = draw.sample("abcdefgh", draw.randint(1, 4))
            label = draw.choice(["wren", "finch", None])
            wanted = {**states[position], **dict.fromkeys(keys, label)}
            wanted = {key: value for key, value in wanted.items() if value is not None}
            if labels.set(keys, label):
                states, position = [*states[: position + 1], wanted], position + 1
        elif kind == "undo":
            assert (labels.undo() is None) == (position == 0)
            position = max(0, position - 1)
        else:
            assert (labels.redo() is None) == (position == len(states) - 1)
            position = min(len(states) - 1, position + 1)
        assert labels.current() == states[position]
        assert (labels.undoable() is None, labels.redoable() is None) == (position == 0, position == len(states) - 1)


def test_what_was_undone_stays_in_the_history(labels: Labels) -> None:
    labels.set(["a"], "wren")
    labels.set(["a"], "finch")
    undone = labels.undo()
    assert undone is not None and undone.label == "finch" and undone.undone
    assert labels.redoable() == undone
    labels.set(["b"], "owl")
    assert labels.redo() is None and labels.redoable() is None
    assert [(action.label, action.undone) for action in labels.history()] == [("owl", False), ("finch", True), ("wren", False)]
    assert labels.history(limit=1)[0].label == "owl"
    assert [(labels.undo() or undone).label for _ in range(2)] == ["owl", "wren"]
    assert labels.undo() is None and labels.current() == {}


def test_the_version_grows_with_every_change_by_anyone(labels: Labels) -> None:
    other = Labels(labels.path)
    seen = [labels.version]
    for change in (lambda: labels.set(["a"], "x"), lambda: other.set(["b"], "y"), other.undo, labels.redo, lambda: other.carry({"a": "c"})):
        change()
        seen.append(labels.version)
    assert seen == sorted(set(seen)) and other.version == seen[-1]
    assert labels.current() == other.current() == {"b": "y", "c": "x"}
    assert labels.set(["b"], "y") == 0 and labels.version == seen[-1]


def test_labels_go_with_photographs_that_were_renamed(labels: Labels) -> None:
    labels.set(["old", "kept", "taken"], "wren")
    labels.set(["new 3"], "owl")
    labels.set(["old"], "finch")
    assert labels.carry({"old": "new", "without": "new 2", "taken": "new 3"}) == 1
    wanted = {"new": "finch", "kept": "wren", "taken": "wren", "new 3": "owl"}
    assert labels.current() == wanted
    assert (labels.history()[0].how, labels.history()[0].count) == ("renamed", 1)
    undone = labels.undo()
    assert undone is not None and undone.label == "finch", "a person undoes what a person did"
    assert labels.current() == {**wanted, "new": "wren"}
    labels.redo()
    assert labels.current() == wanted
    assert labels.carry({}) == 0 and labels.carry({"nobody": "no one"}) == 0


def test_a_name_that_is_used_again_keeps_the_actions_apart(labels: Labels) -> None:
    labels.set(["a"], "wren")
    labels.set(["b"], "owl")
    labels.set(["b"], None)
    labels.carry({"a": "b"})
    assert labels.current() == {"b": "wren"}
    for _ in range(3):
        labels.undo()
    assert labels.current() == {}
    for _ in range(3):
        labels.redo()
    assert labels.current() == {"b": "wren"}


@pytest.mark.parametrize(
    "label", ["two words", 'quote\'s "own"', "a/b\\c", "\N{BIRD}\N{ZERO WIDTH JOINER}\N{BIRD}", "'; DROP TABLE labels", "x" * 200]
)
def test_odd_labels_and_keys(labels: Labels, label: str) -> None:
    keys = ["two words.jpg", "line\nbreak.jpg", "../up.jpg", "", "goldfinch-\N{BIRD}.jpg", label]
    assert labels.set(keys, label) == 6
    assert Labels(labels.path).current() == dict.fromkeys(keys, label)


def test_the_same_letters_are_the_same_label(labels: Labels) -> None:
    labels.set(["a"], "pe\N{COMBINING ACUTE ACCENT}trel")
    assert labels.set(["a"], "p\N{LATIN SMALL LETTER E WITH ACUTE}trel") == 0


@pytest.mark.parametrize(
    ("label", "reason"),
    [
        ("", "a label is empty"), (" \t\n", "a label is empty"), ("x" * 201, "201 characters"), ("a\nb", r"label a\\nb has line breaks"),
        ("a\x00b", "control characters"), ("a\N{LINE SEPARATOR}b", "line breaks"), ("a\udce9b", "stray bytes"),
    ],
)  # fmt: skip
def test_what_is_no_label_is_refused(labels: Labels, label: str, reason: str) -> None:
    labels.set(["a"], "wren")
    with pytest.raises(ValueError, match=reason):
        labels.set(["a"], label)
    with pytest.raises(ValueError, match=reason):
        labels.set_each({"b": "owl", "a": label}, how="imported")
    with pytest.raises(ValueError, match="not UTF-8"):
        labels.set(["latin-\udce9.jpg"], "owl")
    assert labels.current() == {"a": "wren"} and len(labels.history()) == 1


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
        [sys.executable, "-c", TYPE, str(path), name, str(count)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_two_processes_and_four_threads_write_at_once(labels: Labels) -> None:
    processes = [type_labels(labels.path, name, 20) for name in "ab"]
    threads = [threading.Thread(target=lambda name=name: [labels.set([f"{name}-{i}"], "owl") for i in range(10)]) for name in "cdef"]
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
        (lambda path: path.write_bytes(b"Dear diary, today I saw a finch.\n" * 99), "no database of labels; move it away"),
        (lambda path: path.write_bytes(b"short"), "no database of labels; move it away"),
        (another_program, "a database of another program; move it away"),
        (from_a_newer_one, r"by a newer lodisc \(format 99\); update lodisc"),
    ],
)
def test_a_file_that_is_none_is_refused_and_not_touched(tmp_path: Path, make, reason: str) -> None:
    path = tmp_path / "labels.sqlite"
    make(path)
    before = path.read_bytes()
    for use in (lambda: Labels(path).current(), lambda: Labels(path).set(["a"], "owl"), Labels(path).undo, Labels(path).history):
        with pytest.raises(ValueError, match=reason) as caught:
            use()
        assert "labels.sqlite" in str(caught.value) and "\n" not in str(caught.value)
    assert path.read_bytes() == before and [one.name for one in tmp_path.iterdir()] == ["labels.sqlite"]


def test_an_empty_file_is_a_beginning(tmp_path: Path) -> None:
    (tmp_path / "labels.sqlite").touch()
    labels = Labels(tmp_path / "labels.sqlite")
    assert labels.current() == {} and labels.set(["a"], "wren") == 1 and labels.current() == {"a": "wren"}


def test_a_damaged_file_is_said_to_be_damaged(labels: Labels) -> None:
    labels.set([f"photograph {number}" for number in range(5000)], "wren")
    data = bytearray(labels.path.read_bytes())
    data[4096:] = os.urandom(len(data) - 4096)
    labels.path.write_bytes(data)
    with pytest.raises(ValueError, match="is damaged; put a copy of it back"):
        labels.current()


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
    ran = subprocess.run([sys.executable, "-c", FULL, str(labels.path), "100000"], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 1 and "nothing was changed" in ran.stderr and "disk is full" in ran.stderr
    assert len(ran.stderr.strip().splitlines()) == 1
    assert labels.current() == {"a": "wren"} and len(labels.history()) == 1 and labels.set(["b"], "owl") == 1


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
            [sys.executable, "-c", READ_ONLY, str(labels.path)], capture_output=True, text=True, timeout=60, preexec_fn=obey_permissions
        )
    finally:
        labels.path.parent.chmod(0o755)
    assert ran.returncode == 1 and ran.stderr.strip().endswith("the file or its folder may only be read"), ran.stderr
    assert labels.current() == {"a": "wren"}


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    labels = Labels(tmp_path / "missing" / "labels.sqlite")
    assert labels.current() == {} and labels.undoable() is None
    with pytest.raises(OSError, match=r"missing/labels\.sqlite: nothing was changed: .* its folder exists"):
        labels.set(["a"], "wren")


def test_a_program_that_keeps_it_busy_is_waited_for_and_then_named(labels: Labels, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lodisc.collection.labels.PATIENCE", 0.2)
    labels.set(["a"], "wren")
    other = sqlite3.connect(labels.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert labels.current() == {"a": "wren"}
    with pytest.raises(OSError, match="another program has kept it busy"):
        labels.set(["a"], "owl")
    other.close()
    assert labels.set(["a"], "owl") == 1
