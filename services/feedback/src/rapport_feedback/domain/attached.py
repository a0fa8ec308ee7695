"""What a file that somebody sent is, by its content, and why it is not taken.

A name and a declared type say what the sender wants it to be. What is taken is one kind of file
from its first byte to its last: pictures, PDF, plain text, office documents without programs.
"""

import re
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Final

MOST_BYTES: Final = 10 * 2**20
"""Of a file."""
MOST_OF_CASE: Final = 50 * 2**20
"""Bytes of all files of a case."""
MOST_FILES: Final = 50
"""Of a case."""
MOST_AT_ONCE: Final = 10
"""Files that come with one mail or form."""
PART_BYTES: Final = 256 * 1024
"""A file is kept in pieces of so many bytes."""

MOST_ENTRIES: Final = 2000
MOST_UNPACKED: Final = 100 * 2**20
MOST_RATIO: Final = 100
"""Of what an archive unpacks to and what it takes: text is packed to a tenth."""
MOST_NAME: Final = 120

_ENDINGS: Final = {
    "image/jpeg": ("jpg", "jpeg"),
    "image/png": ("png",),
    "image/gif": ("gif",),
    "image/webp": ("webp",),
    "image/heic": ("heic", "heif"),
    "application/pdf": ("pdf",),
    "text/plain": ("txt", "log", "csv", "md"),
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ("docx",),
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ("xlsx",),
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": ("pptx",),
    "application/vnd.oasis.opendocument.text": ("odt",),
    "application/vnd.oasis.opendocument.spreadsheet": ("ods",),
    "audio/mpeg": ("mp3",),
    "video/mp4": ("mp4", "m4a", "m4v"),
    "video/quicktime": ("mov",),
}
ALLOWED: Final = tuple(_ENDINGS)
_OFFICE: Final = {
    "word/": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xl/": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "ppt/": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
}
_BRANDS: Final = {
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"mif1": "image/heic",
    b"qt  ": "video/quicktime",
    **dict.fromkeys((b"isom", b"iso2", b"mp41", b"mp42", b"M4A ", b"M4V ", b"avc1"), "video/mp4"),
}
_MARKUP: Final = re.compile(
    rb"<\s*(?:script|html|svg|!doctype|iframe|object|embed|\?php|\?xml|%|body|head|img|meta|link)"
    rb"|^\s*#!|javascript:|vbscript:",
    re.IGNORECASE,
)
# In what is packed any two or three bytes stand by chance: only longer words say something there.
_HIDDEN: Final = re.compile(
    rb"<\s*(?:script|html|svg|!doctype|iframe|object|embed|\?php|body|head)|javascript:|vbscript:",
    re.IGNORECASE,
)
# Each action that runs a script is of type JavaScript or Rendition.
_PDF_PROGRAMS: Final = re.compile(
    rb"/(?:JavaScript|Rendition|Launch|EmbeddedFile|RichMedia|SubmitForm)(?![A-Za-z])"
    rb"|/XFA\s*(?:\[|\d+\s+\d+\s+R)"
)
_PDF_OBJECTS: Final = re.compile(rb"/ObjStm.{0,500}?stream\r?\n", re.DOTALL)
"""Objects of a PDF, its actions among them, are packed together (ISO 32000-1, 7.5.7)."""
MOST_PACKED, MOST_STREAM, MOST_OBJECTS = 2**18, 2**20, 2**23
"""Bytes: of one packed stream that are read, what they unpack to, and of all of a file."""
_HEX_IN_NAME: Final = re.compile(rb"#([0-9A-Fa-f]{2})")
_PROGRAMS: Final = re.compile(
    r"(?:vbaproject|vbadata|macrosheets/|activex/|embeddings/|oleobject|basic/|scripts/)"
    r"|\.(?:exe|dll|js|vbs|bat|cmd|ps1|jar|com|scr|msi|sh|html?|svg|zip|rar|7z|gz|docm|xlsm|hta)$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Judged:
    """What a file is: `refused` says why it is not taken, in a sentence; empty: it is."""

    name: str
    media_type: str
    refused: str = ""


def judge(name: str, content: bytes) -> Judged:
    """What a file of this name is, and whether it is taken."""
    shown = clean_name(name)
    kind = media_type_of(content)
    reason = _reason(shown, kind, content)
    return Judged(shown, kind or "application/octet-stream", reason)


def _reason(name: str, kind: str, content: bytes) -> str:
    if not content:
        return "It is empty."
    if len(content) > MOST_BYTES:
        return f"It is larger than {MOST_BYTES // 2**20} MiB."
    if kind not in _ENDINGS:
        return "Files of this kind are not taken: send pictures, PDF, plain text or documents."
    ending = name.rpartition(".")[2].lower() if "." in name else ""
    if ending and ending not in _ENDINGS[kind]:
        return f"Its name ends in .{ending[:10]}, and it is {kind}."
    return _CHECKS.get(kind, _picture)(content)


def media_type_of(content: bytes) -> str:
    """The type by the first bytes (and the names in an archive); empty: none that is known."""
    head = content[:32]
    for start, kind in (
        (b"\xff\xd8\xff", "image/jpeg"),
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"GIF87a", "image/gif"),
        (b"GIF89a", "image/gif"),
        (b"%PDF-", "application/pdf"),
        (b"ID3", "audio/mpeg"),
        (b"\xff\xfb", "audio/mpeg"),
    ):
        if head.startswith(start):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], "")
    if head.startswith(b"PK\x03\x04"):
        return _document_type(content)
    return "text/plain" if content and _is_text(content) else ""


def _is_text(content: bytes) -> bool:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return not any(unicodedata.category(one) == "Cc" and one not in "\t\r\n\f" for one in set(text))


def _entries(content: bytes) -> list[zipfile.ZipInfo] | None:
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            return archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError, OSError):
        return None


def _document_type(content: bytes) -> str:
    entries = _entries(content)
    if entries is None or len(entries) > MOST_ENTRIES:
        return ""
    names = {one.filename for one in entries}
    if "[Content_Types].xml" in names:
        return next(
            (kind for start, kind in _OFFICE.items() if any(n.startswith(start) for n in names)), ""
        )
    declared = content[:200]
    for kind in ALLOWED:
        if "opendocument" in kind and kind.encode() in declared and "mimetype" in names:
            return kind
    return ""


def _document(content: bytes) -> str:
    entries = _entries(content) or []
    unpacked = sum(one.file_size for one in entries)
    if unpacked > MOST_UNPACKED or unpacked > MOST_RATIO * len(content):
        return "It unpacks to far more than it is."
    if sum(one.compress_size for one in entries) > len(content):
        # Entries that share their bytes are how small files become large ones.
        return "Its parts lie over each other."
    if any(_PROGRAMS.search(one.filename) for one in entries):
        return "It has programs (macros) or other files in it."
    if any(one.flag_bits & 1 for one in entries):
        return "It is encrypted, so that nobody can see what is in it."
    return "It is two kinds of file at once." if content.rfind(b"%PDF-", 0, 1024) >= 0 else ""


def _pdf(content: bytes) -> str:
    if any(
        _PDF_PROGRAMS.search(_named_plainly(one)) for one in (content, *packed_objects(content))
    ):
        return "It has programs or other files in it."
    if not content[-2048:].rstrip().endswith(b"%%EOF"):
        return "It does not end as a PDF does: it is damaged, or two kinds of file at once."
    return "It is two kinds of file at once." if _is_archive(content) else ""


def _named_plainly(content: bytes) -> bytes:
    return _HEX_IN_NAME.sub(lambda one: bytes([int(one[1], 16)]), content)


def packed_objects(content: bytes) -> Iterator[bytes]:
    """What is in the packed objects of a PDF, each as far as it is looked at."""
    read = 0
    for match in _PDF_OBJECTS.finditer(content):
        packed = content[match.end() : match.end() + MOST_PACKED]
        try:
            found = zlib.decompressobj().decompress(packed, MOST_STREAM)
        except zlib.error:
            found = b""
        yield found
        # What is no stream is looked at for nothing, too.
        read += max(len(found), MOST_PACKED // 8)
        if read >= MOST_OBJECTS:
            return


def _text(content: bytes) -> str:
    return "It is a page or a program, not plain text." if _MARKUP.search(content) else ""


def _picture(content: bytes) -> str:
    """What is around a picture's own data is looked at: there another kind of file would be."""
    around = content[:1024] + content[-1024:]
    is_two = b"%PDF-" in around or _is_archive(content) or _HIDDEN.search(around) is not None
    return "It is two kinds of file at once." if is_two else ""


def _is_archive(content: bytes) -> bool:
    """Whether readers of archives, which look at the end first, would find one."""
    return b"PK\x05\x06" in content[-(2**16 + 22) :]


_CHECKS: Final[dict[str, Callable[[bytes], str]]] = {
    "application/pdf": _pdf,
    "text/plain": _text,
    **{kind: _document for kind in ALLOWED if "officedocument" in kind or "opendocument" in kind},
}


def clean_name(name: str) -> str:
    """A file's name without folders, controls and what turns words round; never empty."""
    last = re.split(r"[/\\]", name)[-1]
    kept = "".join(
        one for one in last if unicodedata.category(one)[0] != "C" and one not in '"<>:|?*'
    )
    plain = " ".join(kept.split()).strip(". ")
    if len(plain) > MOST_NAME:
        stem, dot, ending = plain.rpartition(".")
        plain = f"{stem[: MOST_NAME - 11]}{dot}{ending[:10]}" if dot else plain[:MOST_NAME]
    return plain or "file"


def pieces(content: bytes) -> Iterable[bytes]:
    """A file in the pieces in which it is kept."""
    return (content[at : at + PART_BYTES] for at in range(0, len(content), PART_BYTES))


def room(taken: int, size: int, count: int) -> str:
    """Why a case that has `taken` bytes in `count` files has no room for `size`; empty: it has."""
    if count >= MOST_FILES:
        return f"A case has {MOST_FILES} files at most."
    if taken + size > MOST_OF_CASE:
        return f"The files of a case have {MOST_OF_CASE // 2**20} MiB at most."
    return ""
