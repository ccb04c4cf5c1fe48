"""What names say: which files are photographs, and why others are passed over."""

import posixpath
import re

from lodisc.data.decode import extensions

HIDDEN = "hidden, by a name that begins with a dot"
_BY_A_SYSTEM = "put there by a system, not by you"
OF_SYSTEMS = {
    *("@eadir", "#recycle", "#snapshot", "~snapshot", "@recycle", "@recently-snapshot", "@tmp"),
    *("@synoresource", "@synoeastream", "@__thumb", "@transcode", "@sharebin"),
    *("network trash folder", "temporary items"),
    *("$recycle.bin", "system volume information", "recycler", "lost+found"),
    *("__macosx", ".appledouble", ".thumbnails", ".trash", ".trashes", ".spotlight-v100"),
    *("ipod photo cache", "thmbnl", "_gsdata_", "_vti_cnf"),
    *("thumbs.db", "ehthumbs.db", "desktop.ini"),
}
"""What systems put among photographs, in lower case."""
_OF_SYSTEMS = re.compile(
    r"(^|/)found\.[0-9]{3}/|(:zone\.identifier|@synoeastream)$"
    r"|(\.photoslibrary/resources|\.lrdata|captureone/cache)/"
    r"|\.(photo|ap)library/(thumbnails|previews)/"
)
_HEIC = {".heic", ".heif", ".hif"}
_NOT_DECODED = {
    # raw files of cameras
    *(".cr2", ".cr3", ".crw", ".nef", ".nrw", ".arw", ".srf", ".sr2", ".dng", ".orf", ".rw2"),
    *(".raf", ".pef", ".srw", ".3fr", ".fff", ".iiq", ".x3f", ".erf", ".mrw", ".rwl", ".kdc"),
    *(".dcr", ".mef", ".mos", ".gpr", ".raw", ".jxl"),
    # of microscopes and scanners
    *(".dcm", ".svs", ".czi", ".nd2", ".lif", ".lsm", ".ndpi", ".mrxs", ".vsi", ".oib", ".oif"),
    *(".scn", ".nii", ".mrc"),
    # of telescopes and games
    *(".fits", ".fit", ".fts", ".blp", ".ftc", ".ftu", ".gbr", ".fpx", ".mic"),
}
_VIDEOS = {
    *(".mp4", ".mov", ".avi", ".mkv", ".mts", ".m2ts", ".m4v", ".wmv", ".3gp", ".mpg", ".webm"),
    *(".insv", ".360"),
}
_ARCHIVES = {".tgz", ".gz", ".bz2", ".xz", ".zst", ".zip", ".7z", ".rar"}
_RENAMED = re.compile(
    r".*\.(p?jpe?g|png|tiff?|webp|gif)(\.\d+|[_~!?@:-].*|\.(download|part|crdownload|bak|orig|tmp))"
    r"|.*\.(pjpe?g|pjp|insp)"
    r"|[^.]+"
)
_TEXTS = {"readme", "license", "licence", "copying", "makefile", "changelog"}


def is_photo(name: str) -> bool:
    """Whether a file of this name, in a folder or a tar, is read as a photograph."""
    return posixpath.splitext(name)[1].lower() in extensions()


def why_passed_over(name: str) -> str | None:
    """Why a file of this name is not read; None if nobody takes it for a photograph."""
    base = posixpath.basename(name).lower()
    ending = posixpath.splitext(base)[1]
    if ending == ".icloud":
        return "left in iCloud; download them"
    if base.startswith("."):
        return HIDDEN if is_photo(base) and not base.startswith("._") else None
    if ending in _HEIC:
        return "HEIC; install pillow-heif, or convert them to .jpg"
    if ending in _NOT_DECODED:
        return f"lodisc cannot decode {ending} files; convert them to .jpg"
    if ending in _VIDEOS:
        return "videos, which lodisc does not read; take pictures from them"
    if ending in _ARCHIVES:
        return "archives and compressed tars, which lodisc does not read; unpack them"
    if _RENAMED.fullmatch(base) and base not in _TEXTS:
        return "without the ending of a photograph; rename them if they are photographs"
    return None


def folders_of(key: str) -> tuple[str, ...]:
    """The folders in a key inside the data."""
    if is_elsewhere(key):
        return ()
    return tuple(part for part in key.split("/")[:-1] if part not in ("", ".", ".."))


def is_elsewhere(key: str) -> bool:
    """Whether a key, as of a list, leads out of the data."""
    return key.startswith(("/", "../"))


def why_left_out(key: str) -> str | None:
    """Why a photograph is not of the data, by its name and the folders around it; None if it is."""
    names = (*folders_of(key), posixpath.basename(key))
    path = "/".join(names).casefold()
    if not OF_SYSTEMS.isdisjoint(path.split("/")) or _OF_SYSTEMS.search(path):
        return _BY_A_SYSTEM
    return HIDDEN if any(name.startswith(".") for name in names) else None
