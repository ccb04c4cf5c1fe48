"""The commands: what each takes, calls and prints. A command imports what it needs when it runs."""

from collections.abc import Callable

from lodisc.commands.collection import (
    embed,
    group,
    index,
    name,
    open_photographs,
    search,
    serve,
)
from lodisc.commands.data import data_check, data_finches, data_list, data_prepare
from lodisc.commands.labels import (
    labels_adopt,
    labels_export,
    labels_import,
    labels_redo,
    labels_rename,
    labels_show,
    labels_undo,
)
from lodisc.commands.learn import demo, evaluate, explain, report, study, train

COMMANDS: dict[str, Callable[..., None]] = {
    "demo": demo,
    "train": train,
    "evaluate": evaluate,
    "explain": explain,
    "report": report,
    "study": study,
    "open": open_photographs,
    "embed": embed,
    "index": index,
    "search": search,
    "group": group,
    "name": name,
    "serve": serve,
    "labels show": labels_show,
    "labels export": labels_export,
    "labels import": labels_import,
    "labels adopt": labels_adopt,
    "labels rename": labels_rename,
    "labels undo": labels_undo,
    "labels redo": labels_redo,
    "data check": data_check,
    "data finches": data_finches,
    "data list": data_list,
    "data prepare": data_prepare,
}
