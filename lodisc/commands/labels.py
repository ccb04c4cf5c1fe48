"""`lodisc labels …`: the labels that people gave, into and out of a collection."""

import re
from pathlib import Path
from typing import Any

from tyro.conf import Positional

from lodisc.commands.printing import print_line, print_result
from lodisc.console import note
from lodisc.errors import UserError

FILE_ENDING = re.compile(r"\.(?!v\d)([a-z][a-z0-9]{0,7}|7z)", re.IGNORECASE)
"""What looks like the ending of a file; folders are called birds.v2 and birds 1.2, too."""


def labels_show(collection: Positional[Path], /, *, json: bool = False) -> None:
    """Show the labels and their counts, how well they predict the rest, and the last actions.

    Args:
        collection: Folder of the collection.
        json: Print as JSON.
    """
    from lodisc.collection import describe
    from lodisc.collection.collection import Collection
    from lodisc.commands.tables_collection import print_labels

    labels = describe.describe_labels(Collection(collection))
    print_result(labels, json=json, people=print_labels)


def labels_export(
    collection: Positional[Path],
    out: Positional[Path],
    /,
    *,
    named: float | None = None,
    json: bool = False,
) -> None:
    """Write labels as a table (OUT.csv) or as folders of links to the photographs (OUT).

    Args:
        collection: Folder of the collection.
        out: A .csv or .tsv file, or a folder.
        named: Link photographs without a label, too, if their prediction has this confidence.
        json: Print the counts as JSON.
    """
    from lodisc.collection.collection import Collection
    from lodisc.data.photo import printable

    result: Any
    unreadable: list[str] = []
    left: list[str] = []
    kind = out.suffix.lower()
    if kind not in (".csv", ".tsv") and FILE_ENDING.fullmatch(kind) and not out.is_dir():
        raise UserError(
            f"{printable(out)}: lodisc writes .csv and .tsv, which spreadsheets open, and folders; "
            f"name one of these, without {kind}"
        )
    if kind in (".csv", ".tsv"):
        from lodisc.collection.labels_csv import export_csv

        if named is not None:
            raise UserError(
                "--named is for folders; a table has the predictions and their confidence "
                "in columns of their own"
            )
        result = {"photographs": export_csv(Collection(collection), out)}
    else:
        from lodisc.collection.labels_tree import export_tree

        result = export_tree(Collection(collection), out, named=named)
        unreadable, left = result["unreadable"], result["left"]
    words = f"{printable(out)}: {result['photographs']:,} photographs"
    if unreadable:
        words += f"; {len(unreadable):,} could not be read, such as {printable(unreadable[0])}"
    if left:
        words += (
            f"; {len(left):,} files stay in their old folder, such as {printable(left[0])}, "
            "because there may be no other copy: see that their photographs can be read, "
            "and export again"
        )
    print_result({"out": str(out), **result}, json=json, people=lambda _: print_line(words))


def labels_import(
    collection: Positional[Path],
    source: Positional[Path],
    /,
    *,
    clear: bool = False,
    user: str | None = None,
    json: bool = False,
) -> None:
    """Read labels from a table with columns key (or path) and label, or from folders.

    Args:
        collection: Folder of the collection.
        source: A .csv file, or a folder with a sub-folder of links or copies for each label.
        clear: Remove the labels that are empty in the table, instead of leaving them as they are.
        user: Your name, for the history.
        json: Print the counts as JSON.
    """
    from lodisc.collection.collection import Collection
    from lodisc.data.photo import printable

    if source.is_dir():
        from lodisc.collection.labels_tree import import_tree

        if clear:
            raise UserError(
                "--clear is for tables; a photograph that lies in no folder keeps its label"
            )
        result: Any = import_tree(Collection(collection), source, user=user)
        unknown = result["unknown_files"]
    else:
        from lodisc.collection.labels_csv import import_csv

        result = import_csv(Collection(collection), source, clear=clear, user=user)
        unknown = result["unknown_keys"]
        for text in result["notes"]:
            note(f"note: {text}")
    words = f"{result['changed']:,} labels changed"
    if result["unknown"]:
        words += (
            f"; {result['unknown']:,} are not photographs of the collection, "
            f"such as {printable(unknown[0])}"
        )
    print_result(result, json=json, people=lambda _: print_line(words))


def labels_rename(
    collection: Positional[Path],
    label: Positional[str],
    new: Positional[str],
    /,
    *,
    user: str | None = None,
    json: bool = False,
) -> None:
    """Rename a label; if the new name is in use, both become one.

    Args:
        collection: Folder of the collection.
        label: The label as it is.
        new: Its new name.
        user: Your name, for the history.
        json: Print the number of photographs as JSON.
    """
    from lodisc.collection.collection import Collection

    changed = Collection(collection).labels.rename([label], new, user=user)
    words = f"“{label}” is “{new}” now on {changed:,} photograph{'' if changed == 1 else 's'}."
    print_result({"changed": changed}, json=json, people=lambda _: print_line(words))


def labels_adopt(
    collection: Positional[Path], /, *, user: str | None = None, json: bool = False
) -> None:
    """Give photographs without a label the name of their sub-folder.

    Args:
        collection: Folder of the collection.
        user: Your name, for the history.
        json: Print their number as JSON.
    """
    from lodisc.collection.collection import Collection
    from lodisc.collection.labels_csv import adopt_folders

    changed = adopt_folders(Collection(collection), user=user)
    print_result(
        {"changed": changed},
        json=json,
        people=lambda _: print_line(f"{changed:,} labels from sub-folders"),
    )


def labels_undo(
    collection: Positional[Path], /, *, user: str | None = None, json: bool = False
) -> None:
    """Undo the last change of labels; again, the one before.

    Args:
        collection: Folder of the collection.
        user: Leave out what others did; by default the last change by anybody.
        json: Print the change as JSON.
    """
    from lodisc.collection.collection import Collection

    _print_action(Collection(collection).labels.undo(user=user), "undone", json=json)


def labels_redo(
    collection: Positional[Path], /, *, user: str | None = None, json: bool = False
) -> None:
    """Redo the change of labels that was undone last.

    Args:
        collection: Folder of the collection.
        user: Leave out what others did; by default the last change by anybody.
        json: Print the change as JSON.
    """
    from lodisc.collection.collection import Collection

    _print_action(Collection(collection).labels.redo(user=user), "done again", json=json)


def _print_action(action: Any, what: str, *, json: bool) -> None:
    words = action.words if action else None
    print_result(
        {what.replace(" ", "_"): words},
        json=json,
        people=lambda _: print_line(f"{words}: {what}" if words else "There is none."),
    )
