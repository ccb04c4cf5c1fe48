"""Labels that people typed: undo, redo, history, renamed photographs, and what is not a label."""

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from lodisc.collection.labels import NOBODY, Labels
from lodisc.errors import UserError


@pytest.fixture
def labels(tmp_path: Path) -> Labels:
    folder = tmp_path / "odd #1 50%?\N{BIRD}"
    folder.mkdir()
    return Labels(folder / "labels.sqlite")


def test_set_change_and_take_away(labels: Labels) -> None:
    assert labels.undo() is None and not labels.path.exists()
    assert (
        labels.current() == {}
        and labels.version == 0
        and labels.history() == []
        and not labels.path.exists()
    )
    assert labels.set(["a", "b", "a"], " wren ") == 2
    assert labels.set(["b", "c"], "finch") == 2
    assert labels.set(["a"], "wren") == 0, "nothing changed, so there is nothing to undo"
    assert labels.set(["c", "d"], None) == 1
    assert labels.set([], "wren") == 0
    assert labels.current() == {"a": "wren", "b": "finch"}
    assert [(action.label, action.count, action.how) for action in labels.history()] == [
        ("", 1, "typed"),
        ("finch", 2, "typed"),
        ("wren", 2, "typed"),
    ]
    assert [path.name for path in labels.path.parent.iterdir()] == ["labels.sqlite"], (
        "a copy of the one file is a backup"
    )


def test_what_current_gives_is_the_callers_own(labels: Labels) -> None:
    labels.set(["a"], "wren")
    labels.current()["a"] = "finch"
    assert labels.current() == {"a": "wren"}


def accepted(labels: Labels) -> set[str]:
    return set(labels.with_accepted_keys()[1])


def test_accepted_names_are_told_from_labels_that_people_gave(labels: Labels) -> None:
    labels.set(["a"], "wren")
    assert labels.accept({"a": "owl", "b": "wren", "c": "owl", "d": "owl"}, where="from 90%") == 3
    assert accepted(labels) == {"b", "c", "d"}
    labels.undo()
    assert accepted(labels) == set()
    labels.redo()
    labels.set(["b"], "finch")
    labels.set(["c"], None)
    assert accepted(labels) == {"d"}
    labels.undo()
    labels.undo()
    assert accepted(labels) == {"b", "c", "d"}, "what changed them is undone"
    labels.set_each({"b": "wren", "c": "owl"}, how="imported")
    assert accepted(labels) == {"b", "c", "d"}, "a table may hold what was accepted"
    assert labels.set(["a", "b"], "wren") == 1, "giving the same label confirms the name"
    assert accepted(labels) == {"c", "d"} and labels.current()["b"] == "wren"
    labels.undo()
    assert accepted(labels) == {"b", "c", "d"} and labels.current()["b"] == "wren"


def test_an_accepted_name_stays_one_when_its_photograph_is_renamed(labels: Labels) -> None:
    labels.accept({"a": "wren", "b": "wren"}, where="from 50%")
    labels.set(["b"], "owl")
    labels.carry({"a": "b", "b": "a"})
    assert labels.current() == {"a": "owl", "b": "wren"} and accepted(labels) == {"b"}
    labels.accept({"c": "wren"}, where="from 50%")
    labels.carry({"c": "d"})
    assert accepted(labels) == {"b", "d"} and labels.history()[1].how == "names accepted from 50%"


def test_a_key_with_the_history_of_two_photographs_has_that_of_its_label(labels: Labels) -> None:
    labels.accept({"a": "wren"}, where="from 50%")
    labels.set(["b"], "owl")
    labels.set(["b"], None)
    labels.carry({"a": "b"})
    assert labels.current() == {"b": "wren"} and accepted(labels) == {"b"}
    assert labels.set(["a"], None) == 0, "there is nothing to remove"
    labels.set(["b"], None)
    labels.set(["c"], "wren")
    labels.set(["a"], "finch")
    labels.accept({"b": "owl"}, where="from 50%")
    labels.carry({"a": "b"}, replaced={"b": "a"})
    labels.carry({"c": "a"})
    assert labels.current() == {"a": "wren", "b": "finch"} and accepted(labels) == set()


@pytest.mark.parametrize("column", ["how", "state"])
def test_a_damaged_history_is_told(labels: Labels, column: str) -> None:
    labels.accept({"a": "wren"}, where="from 50%")
    with closing(sqlite3.connect(labels.path)) as database:
        database.execute(f"UPDATE actions SET {column} = CAST({column} AS BLOB)")
        database.commit()
    with pytest.raises(UserError, match="damaged"):
        Labels(labels.path).with_accepted_keys()


def test_a_new_name_ends_the_history_of_a_photograph_that_has_gone(labels: Labels) -> None:
    labels.accept({"a": "wren", "b": "owl"}, where="from 50%")
    labels.set(["b"], None)
    labels.carry({"a": "b"})
    assert accepted(labels) == {"b"}
    labels.set(["c"], "wren")
    labels.carry({"b": "d", "c": "b"})
    labels.carry({"d": "e"})
    assert labels.current() == {"b": "wren", "e": "wren"} and accepted(labels) == {"e"}
    assert labels.undo() is not None and labels.current() == {"e": "wren"}


def test_names_accepted_elsewhere_stay_names(labels: Labels) -> None:
    labels.set(["a"], "wren")
    taken = {"a": "owl", "b": "owl", "c": "finch", "d": None}
    changed = labels.take_over(taken, accepted_keys={"a", "b", "d"}, how="imported from a table")
    assert changed == 2 and accepted(labels) == {"b"}
    assert labels.current() == {"a": "wren", "b": "owl", "c": "finch"}, "a name changes no label"
    with pytest.raises(UserError):
        labels.take_over({"e": "wren", "f": ""}, accepted_keys={"f"}, how="imported")
    assert "e" not in labels.current()


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
            wanted = {
                key: value
                for key, value in {**states[position], **dict.fromkeys(keys, label)}.items()
                if value is not None
            }
            if labels.set(keys, label):
                states, position = [*states[: position + 1], wanted], position + 1
        elif kind == "undo":
            assert (labels.undo() is None) == (position == 0)
            position = max(0, position - 1)
        else:
            assert (labels.redo() is None) == (position == len(states) - 1)
            position = min(len(states) - 1, position + 1)
        assert labels.current() == states[position]
        assert (not labels.undoable(), not labels.redoable()) == (
            position == 0,
            position == len(states) - 1,
        )


def test_what_was_undone_stays_in_the_history(labels: Labels) -> None:
    labels.set(["a"], "wren")
    labels.set(["a"], "finch")
    undone = labels.undo()
    assert undone is not None and undone.label == "finch" and undone.undone
    assert labels.redoable() == {None: undone}
    labels.set(["b"], "owl")
    assert labels.redo() is None and labels.redoable() == {}
    assert [(action.label, action.undone) for action in labels.history()] == [
        ("owl", False),
        ("finch", True),
        ("wren", False),
    ]
    assert labels.history(limit=1)[0].label == "owl"
    assert [(labels.undo() or undone).label for _ in range(2)] == ["owl", "wren"]
    assert labels.undo() is None and labels.current() == {}


def test_the_version_grows_with_every_change_by_anyone(labels: Labels) -> None:
    other = Labels(labels.path)
    seen = [labels.version]
    for change in (
        lambda: labels.set(["a"], "x"),
        lambda: other.set(["b"], "y"),
        other.undo,
        labels.redo,
        lambda: other.carry({"a": "c"}),
    ):
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
    "label",
    [
        "two words",
        'quote\'s "own"',
        "a/b\\c",
        "\N{BIRD}\N{ZERO WIDTH JOINER}\N{BIRD}",
        "'; DROP TABLE labels",
        "x" * 200,
    ],
)
def test_odd_labels_and_keys(labels: Labels, label: str) -> None:
    keys = ["two words.jpg", "line\nbreak.jpg", "../up.jpg", "", "goldfinch-\N{BIRD}.jpg", label]
    assert labels.set(keys, label) == 6
    assert Labels(labels.path).current() == dict.fromkeys(keys, label)


def test_the_same_letters_are_the_same_label(labels: Labels) -> None:
    labels.set(["a"], "pe\N{COMBINING ACUTE ACCENT}trel")
    assert labels.set(["a"], "p\N{LATIN SMALL LETTER E WITH ACUTE}trel") == 0
    assert labels.set(["a"], "\ufeffp\N{LATIN SMALL LETTER E WITH ACUTE}trel\u200b ") == 0


@pytest.mark.parametrize(
    ("label", "reason"),
    [
        ("", "a label is empty"),
        (" \t\n", "a label is empty"),
        ("\u200b\ufeff \u200e", "a label is empty"),
        ("x" * 201, "201 characters"),
        ("a\nb", r"label a\\nb has line breaks"),
        ("a\x00b", "control characters"),
        ("a\N{LINE SEPARATOR}b", "line breaks"),
        ("a\udce9b", "stray bytes"),
    ],
)
def test_what_is_no_label_is_refused(labels: Labels, label: str, reason: str) -> None:
    labels.set(["a"], "wren")
    with pytest.raises(ValueError, match=reason):
        labels.set(["a"], label)
    with pytest.raises(ValueError, match=reason):
        labels.set_each({"b": "owl", "a": label}, how="imported")
    with pytest.raises(ValueError, match="not UTF-8"):
        labels.set(["latin-\udce9.jpg"], "owl")
    assert labels.current() == {"a": "wren"} and len(labels.history()) == 1


def test_only_what_nobody_has_labelled_by_now(tmp_path: Path) -> None:
    labels = Labels(tmp_path / "labels.sqlite")
    labels.set(["a"], "wren")
    assert (
        labels.set_each({"a": "finch", "b": "finch"}, how="names accepted", only_unlabelled=True)
        == 1
    )
    assert labels.current() == {"a": "wren", "b": "finch"}


def test_undo_leaves_what_others_did_since(labels: Labels) -> None:
    labels.set(["x"], "cat", user="Anna")
    labels.set(["x"], "dog", user="Bob")
    labels.set(["x"], "cat", user="Carl")
    undone = labels.undo(user="Anna")
    assert undone is not None and undone.count == 0 and "nothing changed" in undone.words
    assert labels.current() == {"x": "cat"}, "it is Carl's"
    labels.undo(user="Carl")
    assert labels.current() == {"x": "dog"}
    labels.undo(user="Bob")
    assert labels.current() == {}, "Anna had undone hers"
    labels.accept({"y": "cat"}, where="from 90%", user="Bob")
    labels.set(["y"], "cat", user="Anna")
    labels.undo(user="Bob")
    assert labels.current() == {"y": "cat"} and not accepted(labels), "Anna has confirmed it"


def test_nobody_known_undoes_and_drops_nothing_of_others(labels: Labels) -> None:
    labels.set(["a"], "cat", user="Anna")
    labels.undo(user="Anna")
    labels.set(["b"], "dog")
    assert labels.redoable().keys() == {"Anna"}
    labels.set(["c"], "cat", user="Bob")
    undone = labels.undo(user=NOBODY)
    assert undone is not None and undone.user is None
    assert labels.current() == {"c": "cat"} and labels.undo(user=NOBODY) is None


def test_a_rejected_name_follows_the_label(labels: Labels) -> None:
    labels.set(["a"], "finch")
    labels.reject({"b": "finch", "c": "wren"})
    labels.rename(["finch"], "Buchfink")
    assert labels.rejections() == {"b": {"finch", "Buchfink"}, "c": {"wren"}}
    labels.undo()
    assert labels.rejections() == {"b": {"finch"}, "c": {"wren"}}
    labels.undo()
    assert labels.rejections() == {} and labels.current() == {"a": "finch"}


def test_several_labels_become_one_as_one_action(labels: Labels) -> None:
    labels.set(["a"], "wren")
    labels.set(["b"], "Wren")
    labels.set(["c"], "finch")
    labels.accept({"d": "Wren"}, where="from 90%")
    assert labels.rename(["wren", "Wren", "wren"], "Wren") == 1, "the others have it"
    labels.undo()
    assert labels.rename(["wren", "Wren"], "house wren") == 3
    assert labels.current() == {
        **dict.fromkeys("abd", "house wren"),
        "c": "finch",
    }
    assert accepted(labels) == {"d"}
    undone = labels.undo()
    assert undone is not None and undone.count == 3
    assert labels.current() == {"a": "wren", "b": "Wren", "c": "finch", "d": "Wren"}
    with pytest.raises(UserError, match="no photograph has the label “owl” or “jay”"):
        labels.rename(["owl", "jay"], "crow")
    assert labels.rename(["wren", "owl", "Wren"], None) == 3, "what has gone meanwhile is no matter"
    assert labels.current() == {"c": "finch"}
