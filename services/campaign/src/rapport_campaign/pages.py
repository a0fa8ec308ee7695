"""The pages behind the links of a mail: small, readable on a phone, everything escaped."""

from html import escape

_STYLE = (
    "body{font:18px/1.5 system-ui,sans-serif;margin:0;padding:10vh 24px;background:#f6f6f4;"
    "color:#222}main{max-width:34rem;margin:auto;background:#fff;padding:32px;border-radius:12px}"
    "h1{font-size:1.4rem;margin:0 0 12px}button{font:inherit;padding:14px 24px;border:0;"
    "border-radius:8px;background:#222;color:#fff;cursor:pointer;width:100%}"
)
# One transparent pixel.
PIXEL = bytes.fromhex(
    "47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b"
)
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "form-action 'self'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}


def ask(address: str) -> str:
    """The question; only the button's POST unsubscribes, so no link scanner can."""
    return _page(
        "Unsubscribe",
        f"<p>Stop promotional e-mail to <strong>{escape(masked(address))}</strong>?</p>"
        '<form method="post"><button type="submit">Unsubscribe</button></form>',
    )


def done(address: str) -> str:
    """The confirmation, the same however often the button is pressed."""
    return _page(
        "You are unsubscribed",
        f"<p><strong>{escape(masked(address))}</strong> gets no more promotional e-mail from us."
        " Messages about your orders and requests still arrive.</p>",
    )


def test_mail() -> str:
    """What the link of a test send says: it works, and has changed nothing."""
    return _page(
        "This was a test mail", "<p>The link works. Nobody has been unsubscribed by it.</p>"
    )


def unknown() -> str:
    """For a link that we never made, or that lost a piece on its way."""
    return _page(
        "This link is not valid",
        "<p>Please open it again from the e-mail it came in; some programs cut long links.</p>",
    )


def masked(address: str) -> str:
    """Enough to recognise one's own address, not enough to learn someone else's."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}•••@{domain}"


def _page(title: str, body: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{escape(title)}</h1>{body}</main></body></html>"
    )
