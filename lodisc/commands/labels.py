"""`lodisc labels …`: what people typed, in and out of a collection."""

from pathlib import Path
from typing import Any

from tyro.conf import Positional

from lodisc.commands.printing import print_line, print_result
from lodisc.errors import UserError


def labels_show(collection: Positional[Path], /, *, json: bool = False) -> None:
    """Say how many photographs have each label, how well they name the others, and what was done last.

    Args:
        collection: Folder of the collection.
        json: Print as JSON.
    """
    from lodisc.collection import describe
    from lodisc.collection.collection import Collection

    print_result(
        describe.describe_labels(Collection(collection)), json=json, people=describe.print_labels
    )


def labels_export(
    collection: Positional[Path],
    out: Positional[Path],
    /,
    *,
    named: float | None = None,
    json: bool = False,
) -> None:
    """Write labels as a table (OUT.csv), or as folders of links to the photographs (any other OUT).

    Args:
        collection: Folder of the collection.
        out: A .csv file, or a folder.
        named: Link also photographs that the probe names with at least this confidence.
        json: Print what was written as JSON.
    """
    from lodisc.collection.collection import Collection
    from lodisc.data.photo import printable

    done: Any
    words = ""
    if out.suffix.lower() == ".csv":
        from lodisc.collection.labels_csv import export_csv

        if named is not None:
            raise UserError(
                "--named is for folders; a table has all names with their confidence in columns of their own"
            )
        done = {"photographs": export_csv(Collection(collection), out)}
    else:
        from lodisc.collection.labels_folders import export_tree

        done = export_tree(Collection(collection), out, named=named)
        if done["unreadable"]:
            words = f"; {len(done['unreadable']):,} could not be read, such as {printable(done['unreadable'][0])}"
    words = f"{printable(out)}: {done['photographs']:,} photographs{words}"
    print_result({"out": str(out), **done}, json=json, people=lambda _: print_line(words))


def labels_import(
    collection: Positional[Path],
    source: Positional[Path],
    /,
    *,
    clear: bool = False,
    json: bool = False,
) -> None:
    """Take labels over from a table with the columns key (or path) and label, or from folders of links or copies.

    Args:
        collection: Folder of the collection.
        source: A .csv file, or a folder with a sub-folder for each label.
        clear: An empty label in a table takes the label away; else it changes nothing.
        json: Print what changed as JSON.
    """
    from lodisc.collection.collection import Collection
    from lodisc.data.photo import printable

    if source.is_dir():
        from lodisc.collection.labels_folders import import_tree

        if clear:
            raise UserError(
                "--clear is for tables; a photograph that lies in no folder keeps its label"
            )
        done: Any = import_tree(Collection(collection), source)
        unknown = done["unknown_files"]
    else:
        from lodisc.collection.labels_csv import import_csv

        done = import_csv(Collection(collection), source, clear=clear)
        unknown = done["unknown_keys"]
    words = f"{done['changed']:,} labels changed"
    if done["unknown"]:
        words += f"; {done['unknown']:,} are no photographs of the collection, such as {printable(unknown[0])}"
    print_result(done, json=json, people=lambda _: print_line(words))


def labels_adopt(collection: Positional[Path], /, *, json: bool = False) -> None:
    """Give photographs without a label the name of their sub-folder.

    Args:
        collection: Folder of the collection.
        json: Print how many as JSON.
    """
    from lodisc.collection.collection import Collection
    from lodisc.collection.labels_csv import adopt_folders

    changed = adopt_folders(Collection(collection))
    print_result(
        {"changed": changed},
        json=json,
        people=lambda _: print_line(f"{changed:,} labels from sub-folders"),
    )


def labels_undo(collection: Positional[Path], /, *, json: bool = False) -> None:
    """Take the last thing back that was done to labels; again, the one before.

    Args:
        collection: Folder of the collection.
        json: Print what it was as JSON.
    """
    from lodisc.collection.collection import Collection

    _print_action(Collection(collection).labels.undo(), "undone", json=json)


def labels_redo(collection: Positional[Path], /, *, json: bool = False) -> None:
    """Do again what was undone last.

    Args:
        collection: Folder of the collection.
        json: Print what it was as JSON.
    """
    from lodisc.collection.collection import Collection

    _print_action(Collection(collection).labels.redo(), "done again", json=json)


def _print_action(action: Any, what: str, *, json: bool) -> None:
    words = action.words if action else None
    print_result(
        {what.replace(" ", "_"): words},
        json=json,
        people=lambda _: print_line(f"{words}: {what}" if words else "There is none."),
    )
