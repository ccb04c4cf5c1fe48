"""What a file is that cannot be read as a photograph, from its first bytes."""

from importlib.util import find_spec

_STILL = {b"avif", b"avis"}
_BRANDS = {b"heic": "HEIC", b"heix": "HEIC", b"hevc": "HEIC", b"mif1": "HEIC", b"msf1": "HEIC"}
_STARTS = (
    (b"version https://git-lfs", "a Git LFS pointer, not the photograph; run  git lfs pull"),
    (b"\xff\x0a", "JPEG XL, which lodisc cannot decode; convert it to .jpg"),
    (b"\0\0\0\x0cJXL ", "JPEG XL, which lodisc cannot decode; convert it to .jpg"),
    (b"%PDF", "a PDF, not an image"),
    (b"%!PS", "PostScript, not an image"),
    (b"PK\x03\x04", "a ZIP archive, not an image"),
    (b"\x1f\x8b", "a gzip archive, not an image"),
    (b"\0\0\1\0", "an icon, not a photograph"),
    (b"icns", "an icon, not a photograph"),
    (b"\x1aE\xdf\xa3", "a video, not an image"),
    (b"\0\0\1\xba", "a video, not an image"),
    (b"Rar!", "a RAR archive, not an image"),
    (b"7z\xbc\xaf", "a 7z archive, not an image"),
    (b"\xd0\xcf\x11\xe0", "a document of Office, not an image"),
    (b"II\xbc", "JPEG XR, which lodisc cannot decode; convert it to .jpg"),
    (b"FUJIFILMCCD-RAW", "a raw photograph; convert it to .jpg"),
)


def kind_of(data: bytes) -> str | None:
    """What these bytes are, if lodisc cannot decode them; None if that is not known."""
    for start, kind in _STARTS:
        if data.startswith(start):
            return kind
    if data[4:8] == b"ftyp":
        brand = data[8:12]
        if brand in _BRANDS and find_spec("pillow_heif") is None:
            return "HEIC, whatever its name; install pillow-heif, or convert it to .jpg"
        if brand == b"crx ":
            return "a raw photograph; convert it to .jpg"
        if brand not in _BRANDS.keys() | _STILL:
            return "a video, not an image"
    if data[:4] == b"RIFF" and data[8:12] == b"AVI ":
        return "a video, not an image"
    if data[128:132] == b"DICM":
        return "DICOM, which lodisc cannot decode; convert it to .jpg"
    text = data[:256].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype html", b"<html")):
        return "a web page, not an image; download it again"
    if text.startswith((b"<svg", b"<?xml")):
        return "a drawing or text in XML, not an image"
    return None
