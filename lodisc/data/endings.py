"""What the names of files say: which are photographs, and why others are passed over."""

import posixpath
import re

from lodisc.data.decode import extensions

HIDDEN = "hidden, by a name that begins with a dot"
_HEIC = {".heic", ".heif", ".hif"}
_NOT_DECODED = {
    # raw files of cameras
    *(".cr2", ".cr3", ".crw", ".nef", ".nrw", ".arw", ".srf", ".sr2", ".dng", ".orf", ".rw2"),
    *(".raf", ".pef", ".srw", ".3fr", ".fff", ".iiq", ".x3f", ".erf", ".mrw", ".rwl", ".kdc"),
    *(".dcr", ".mef", ".mos", ".gpr", ".raw", ".jxl"),
    # of microscopes and scanners
    *(".dcm", ".svs", ".czi", ".nd2", ".lif", ".lsm", ".ndpi", ".mrxs", ".vsi", ".oib", ".oif"),
    *(".scn", ".nii", ".mrc"),
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
