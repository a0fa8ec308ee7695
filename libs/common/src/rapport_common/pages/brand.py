"""How a workspace shows itself to its customers: name, colour, logo, website."""

import base64
import binascii
import re
from dataclasses import dataclass

MAX_NAME = 80
MAX_WEBSITE = 300
MAX_LOGO_BYTES = 64 * 1024
DEFAULT_COLOR = "#1f4fbf"

_COLOR = re.compile(r"#(?:[0-9a-f]{3}|[0-9a-f]{6})")
_WEBSITE = re.compile(r"https?://[^\s\"'<>\\]+")
_SIGNATURES = {
    "image/png": b"\x89PNG\r\n\x1a\n",
    "image/jpeg": b"\xff\xd8\xff",
    "image/gif": b"GIF8",
}
_WEBP = (b"RIFF", b"WEBP")


@dataclass(frozen=True, slots=True)
class Brand:
    """What stands on each page. `color` is `#rrggbb`, `logo` a `data:` address of an image."""

    name: str = ""
    color: str = DEFAULT_COLOR
    logo: str = ""
    website: str = ""

    @property
    def on_color(self) -> str:
        """White or black, whichever can be read better on `color`: at least 4.5 to 1."""
        white, black = contrast(self.color, "#ffffff"), contrast(self.color, "#000000")
        return "#ffffff" if white >= black else "#000000"


NO_BRAND = Brand()


def color(text: str) -> str:
    """A colour as `#rrggbb`; ValueError when it is none."""
    found = text.strip().lower()
    if not _COLOR.fullmatch(found):
        message = "A colour is written #rrggbb, such as #1f4fbf."
        raise ValueError(message)
    return found if len(found) > 4 else "#" + "".join(2 * one for one in found[1:])  # noqa: PLR2004


def website(text: str) -> str:
    """An address for people's browsers; ValueError when it is none."""
    found = text.strip()
    if found and (len(found) > MAX_WEBSITE or not _WEBSITE.fullmatch(found)):
        message = f"A website is an http or https address of at most {MAX_WEBSITE} characters."
        raise ValueError(message)
    return found


def logo(text: str) -> str:
    """A PNG, JPEG, GIF or WebP of at most 64 KiB, given as base64 or as a `data:` address."""
    if not text.strip():
        return ""
    encoded = text.strip().partition(",")[2] if text.lstrip().startswith("data:") else text
    try:
        image = base64.b64decode("".join(encoded.split()), validate=True)
    except (binascii.Error, ValueError):
        message = "A logo is an image as base64, or a data: address of one."
        raise ValueError(message) from None
    if len(image) > MAX_LOGO_BYTES:
        message = f"The logo has {len(image)} bytes; {MAX_LOGO_BYTES} is the most."
        raise ValueError(message)
    return f"data:{_media_type(image)};base64,{base64.b64encode(image).decode()}"


def _media_type(image: bytes) -> str:
    for kind, signature in _SIGNATURES.items():
        if image.startswith(signature):
            return kind
    if (image[:4], image[8:12]) == _WEBP:
        return "image/webp"
    message = "A logo is a PNG, JPEG, GIF or WebP image."
    raise ValueError(message)


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours `#rrggbb`, 1 to 21 (WCAG 2.2, "contrast ratio")."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(text: str) -> float:
    """Relative luminance of a colour, 0 to 1 (WCAG 2.2, "relative luminance")."""
    red, green, blue = (_linear(int(text[at : at + 2], 16) / 255) for at in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4  # noqa: PLR2004
