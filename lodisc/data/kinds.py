"""What a file is that cannot be read as a photograph, from its first bytes."""

import re
from importlib.util import find_spec

_AVIF = {b"avif", b"avis"}
_HEIF = {
    *(b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"),
    *(b"mif1", b"mif2", b"msf1", b"miaf", b"MiHE", b"heif"),
}
_RAW = "a raw photograph; convert it to .jpg"
_VIDEO = "a video, not an image"
_JPEG_XL = "JPEG XL, which lodisc cannot decode; convert it to .jpg"
_EXR = "OpenEXR, which lodisc cannot decode; convert it to .tif"
_RADIANCE = "Radiance HDR, which lodisc cannot decode; convert it to .tif"
_DPX = "DPX, which lodisc cannot decode; convert it to .tif"
_TEXTURE = "a texture of a game, not a photograph"
_ANNEX = "a git-annex pointer, not the photograph; run  git annex get"
_STARTS = (
    (b"version https://git-lfs", "a Git LFS pointer, not the photograph; run  git lfs pull"),
    (b"\xff\x0a", _JPEG_XL),
    (b"\0\0\0\x0cJXL ", _JPEG_XL),
    (b"v/1\x01", _EXR),
    (b"#?RADIANCE", _RADIANCE),
    (b"#?RGBE", _RADIANCE),
    (b"SDPX", _DPX),
    (b"XPDS", _DPX),
    (b"SIMPLE  =", "FITS, which lodisc cannot decode; convert it to .tif"),
    (b"gimp xcf", "a picture of GIMP; export it as .png"),
    (b"8BPS\0\2", "a large picture of Photoshop (PSB); export it as .png"),
    (b"BLP", _TEXTURE),
    (b"FTEX", _TEXTURE),
    (b"FTC", _TEXTURE),
    (b"\0\5\x16\7", "what macOS keeps beside a file, not the photograph"),
    (b"%PDF", "a PDF, not an image"),
    (b"%!PS", "PostScript, not an image"),
    (b"PK\x03\x04", "a ZIP archive, not an image"),
    (b"\x1f\x8b", "a gzip archive, not an image"),
    (b"\0\0\1\0", "an icon, not a photograph"),
    (b"icns", "an icon, not a photograph"),
    (b"\x1aE\xdf\xa3", _VIDEO),
    (b"\0\0\1\xba", _VIDEO),
    (b"0&\xb2u\x8ef\xcf\x11", _VIDEO),
    (b"FLV\1", _VIDEO),
    (b"Rar!", "a RAR archive, not an image"),
    (b"7z\xbc\xaf", "a 7z archive, not an image"),
    (b"\xd0\xcf\x11\xe0", "a document of Office, not an image"),
    (b"II\xbc", "JPEG XR, which lodisc cannot decode; convert it to .jpg"),
    *((start, _RAW) for start in (b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"MMOR", b"IIU\0")),
    *((start, _RAW) for start in (b"II\x1a\0\0\0HEAPCCDR", b"FOVb", b"\0MRM")),
)
_BASE64 = (b"data:image/", b"/9j/", b"iVBORw0KGgo")  # the latter two: JPEG and PNG
_JSON = re.compile(rb"[\[{]\s*[\]}\"]")


def kind_of(data: bytes) -> str | None:
    """What these bytes are, if lodisc cannot decode them; None if that is not known."""
    for start, kind in _STARTS:
        if data.startswith(start):
            return kind
    if data[4:8] == b"ftyp":
        brand = data[8:12]
        if brand in _HEIF and find_spec("pillow_heif") is None:
            return "HEIC, whatever its name; install pillow-heif, or convert it to .jpg"
        if brand == b"crx ":
            return _RAW
        if brand not in _HEIF | _AVIF:
            return _VIDEO
    if data[:4] == b"RIFF" and data[8:12] == b"AVI ":
        return _VIDEO
    if data[128:132] == b"DICM":
        return "DICOM, which lodisc cannot decode; convert it to .jpg"
    return _kind_of_text(data[:256].lstrip(b"\xef\xbb\xbf \t\r\n"))


def _kind_of_text(text: bytes) -> str | None:
    if text.lower().startswith((b"<!doctype html", b"<html")):
        return "a web page, not an image; download it again"
    if text.lower().startswith((b"<svg", b"<?xml")):
        return "a drawing or text in XML, not an image"
    if text.startswith(_BASE64):
        return "a photograph as text in base64; decode it first"
    if _JSON.match(text):
        return "JSON, not an image; download it again"
    if b"/annex/objects/" in text.split(b"\n")[0]:
        return _ANNEX
    return None
