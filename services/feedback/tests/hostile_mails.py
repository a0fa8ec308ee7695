"""Mails as they come to an address for complaints: usual ones, and those of who means no good."""

ADDRESS = "complaints@shop.example"
PASS = "Authentication-Results: mx.shop.example; dmarc=pass header.from=example.com\r\n"
FAIL = "Authentication-Results: mx.shop.example; dmarc=fail header.from=example.com\r\n"


def mail(
    text: str = "It came broken.",
    *,
    sender: str = "Ada <ada@example.com>",
    subject: str = "Broken",
    own_id: str = "<1@example.com>",
    extra: str = "",
    to: str = ADDRESS,
) -> bytes:
    return (
        f"{extra}From: {sender}\r\nTo: {to}\r\nSubject: {subject}\r\n"
        f"Message-ID: {own_id}\r\n\r\n{text}\r\n"
    ).encode()


MIXED = (
    PASS
    + "From: Ada <ada@example.com>\r\nTo: complaints@shop.example\r\nSubject: Photo\r\n"
    + "Message-ID: <mixed@example.com>\r\n"
    + 'Content-Type: multipart/mixed; boundary="b1"\r\n\r\n'
    + "--b1\r\nContent-Type: text/html; charset=iso-8859-1\r\n"
    + "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
    + "<p>Sch=F6n kaputt</p><script>steal()</script><blockquote>earlier</blockquote>\r\n"
    + '--b1\r\nContent-Type: image/png; name="crack.png"\r\nContent-Disposition: attachment\r\n'
    + "Content-Transfer-Encoding: base64\r\n\r\niVBORw0KGgoAAAAASUVORK5CYII=\r\n"
    + '--b1\r\nContent-Type: application/pdf; name="bill.pdf.exe"\r\n'
    + 'Content-Disposition: attachment; filename="bill.pdf.exe"\r\n\r\nMZ\x01\x02\r\n'
    + "--b1--\r\n"
).encode()

NO_MAILS = (
    b"",
    b"\r\n\r\n",
    b"\0" * 5000,
    bytes(range(256)) * 20,
    b"From:" * 5000,
    b"From: a@b.c\r\n" * 3000,
    b"Subject: =?utf-8?b?" + b"A" * 60_000,
    b"Content-Type: multipart/mixed; boundary=x\r\n\r\n" + b"--x\r\n" * 5000,
    b"Content-Type: text/html\r\n\r\n" + b"<div>" * 20_000,
    b"Content-Type: text/html\r\n\r\n" + b"<blockquote>" * 5000 + b"x",
    b"Content-Type: text/plain; charset=utf-7\r\n\r\n+ADw-script+AD4-",
    b"Content-Type: text/plain; charset=nonsense\r\n\r\nhello",
    b"References: " + b"<c.aaaa@x> " * 20_000,
    b"Authentication-Results: " + b"((((((" * 300 + b";" * 2000,
    b"\r\n".join(b"%s: y" % one for one in (b"Received",) * 500),
)
