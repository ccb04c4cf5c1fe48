"""What `name` prints for people."""

from lodisc.collection.naming import NEW_KIND, NamingResult, is_likely_new
from lodisc.commands.printing import print_line
from lodisc.console import table
from lodisc.data.photo import printable

MOST_ROWS = 40


def print_names(result: NamingResult) -> None:
    """Print the names of new photographs, and where all of them stand."""
    names = [entry for entry in result["names"] if entry["problem"] is None]
    rows = [
        [
            entry["key"],
            NEW_KIND if is_likely_new(entry) else printable(entry["name"] or ""),
            f"{(entry['new_kind'] if is_likely_new(entry) else entry['confidence']) or 0:.0%}",
            printable(entry["look_alike_label"] or ""),
            f"{entry['similarity'] or 0:.2f}",
        ]
        for entry in names[:MOST_ROWS]
    ]
    if rows:
        title = f"{len(names):,} photograph{'' if len(names) == 1 else 's'}"
        table(title, ["photograph", "name", "sure", "most like a", "cosine"], rows)
        if len(names) > MOST_ROWS:
            print_line(
                f"… and {len(names) - MOST_ROWS:,} more; {printable(result['out'])} has them all"
            )
    for entry in [entry for entry in result["names"] if entry["problem"]][:MOST_ROWS]:
        print_line(f"{entry['key']}: {entry['problem']}")
    words = f"{result['named']:,} named, {result['new_kinds']:,} of none of the labelled kinds"
    if result["skipped"]:
        words += f", {result['skipped']:,} can't be read"
    if result["in_folders"]:
        words += f"; {result['in_folders']:,} sorted into folders"
    print_line(f"{printable(result['out'])}: {words}")
