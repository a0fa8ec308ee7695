"""Mails that come back, as servers write them (shortened; the tokens are put in by the tests)."""

TOKEN_PLACE = "TOKEN"

POSTFIX = b"""Return-Path: <>\r
From: MAILER-DAEMON@mx.example.net (Mail Delivery System)\r
To: b+TOKEN@bounces.shop.example\r
Subject: Undelivered Mail Returned to Sender\r
Auto-Submitted: auto-replied\r
MIME-Version: 1.0\r
Content-Type: multipart/report; report-type=delivery-status;\r
\tboundary="9B095B5A62.1/mx.example.net"\r
\r
This is a MIME-encapsulated message.\r
\r
--9B095B5A62.1/mx.example.net\r
Content-Description: Notification\r
Content-Type: text/plain; charset=us-ascii\r
\r
I'm sorry to have to inform you that your message could not be delivered.\r
\r
--9B095B5A62.1/mx.example.net\r
Content-Description: Delivery report\r
Content-Type: message/delivery-status\r
\r
Reporting-MTA: dns; mx.example.net\r
Arrival-Date: Mon, 30 Nov 2026 10:00:00 +0000 (UTC)\r
\r
Final-Recipient: rfc822; ada@example.com\r
Original-Recipient: rfc822;ada@example.com\r
Action: failed\r
Status: 5.1.1\r
Remote-MTA: dns; mail.example.com\r
Diagnostic-Code: smtp; 550 5.1.1 <ada@example.com>: Recipient address\r
    rejected: User unknown in virtual mailbox table\r
\r
--9B095B5A62.1/mx.example.net\r
Content-Description: Undelivered Message\r
Content-Type: message/rfc822\r
\r
Return-Path: <b+TOKEN@bounces.shop.example>\r
From: The Shop <hello@shop.example>\r
To: ada@example.com\r
Subject: Hello\r
Message-ID: <m.TOKEN@shop.example>\r
Content-Type: multipart/alternative; boundary="=_m"\r
\r
--=_m\r
Content-Type: text/plain\r
\r
Hello\r
--=_m--\r
\r
--9B095B5A62.1/mx.example.net--\r
"""

EXCHANGE = (
    POSTFIX.replace(b"Action: failed", b"Action: failed")
    .replace(b"Status: 5.1.1", b"Status: 5.1.10")
    .replace(
        b"550 5.1.1 <ada@example.com>: Recipient address\r\n    rejected: User unknown in "
        b"virtual mailbox table",
        b"550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup",
    )
)
FULL = POSTFIX.replace(b"Status: 5.1.1", b"Status: 5.2.2").replace(
    b"550 5.1.1", b"552 5.2.2 mailbox full"
)
VAGUE = POSTFIX.replace(b"Status: 5.1.1", b"Status: 5.0.0").replace(b"550 5.1.1 ", b"550 ")
CITED = POSTFIX.replace(b"Status: 5.1.1", b"Status: 5.0.0")
REFUSED = POSTFIX.replace(b"Status: 5.1.1", b"Status: 5.7.1").replace(
    b"550 5.1.1 <ada@example.com>: Recipient address\r\n    rejected: User unknown in "
    b"virtual mailbox table",
    b"550 5.7.1 Message rejected as spam by policy",
)
DELAYED = POSTFIX.replace(b"Action: failed", b"Action: delayed").replace(b"5.1.1", b"4.4.1")
EXPIRED = POSTFIX.replace(b"5.1.1", b"4.4.7")
DELIVERED = POSTFIX.replace(b"Action: failed", b"Action: delivered (to mailbox)").replace(
    b"5.1.1", b"2.0.0"
)
NO_ACTION = POSTFIX.replace(b"Action: failed\r\n", b"")
PASSED_ON = POSTFIX.replace(
    b"\r\n\r\nFinal-Recipient",
    b"\r\n\r\nFinal-Recipient: rfc822; bob@example.com\r\nAction: relayed\r\nStatus: 2.0.0"
    b"\r\n\r\nFinal-Recipient",
)
COMPLAINT = b"""From: <abusedesk@mailbox.example>\r
To: <complaints@bounces.shop.example>\r
Subject: FW: Earn money\r
MIME-Version: 1.0\r
Content-Type: multipart/report; report-type=feedback-report;\r
     boundary="part1_13d.2e68ed54_boundary"\r
\r
--part1_13d.2e68ed54_boundary\r
Content-Type: text/plain; charset="US-ASCII"\r
\r
This is an email abuse report.\r
\r
--part1_13d.2e68ed54_boundary\r
Content-Type: message/feedback-report\r
\r
Feedback-Type: abuse\r
User-Agent: SomeGenerator/1.0\r
Version: 1\r
Original-Mail-From: <b+TOKEN@bounces.shop.example>\r
\r
--part1_13d.2e68ed54_boundary\r
Content-Type: message/rfc822\r
Content-Disposition: inline\r
\r
From: <hello@shop.example>\r
Message-ID: <m.TOKEN@shop.example>\r
\r
Spam\r
--part1_13d.2e68ed54_boundary--\r
"""
NOT_SPAM = COMPLAINT.replace(b"Feedback-Type: abuse", b"Feedback-Type: not-spam")
QMAIL = b"""Return-Path: <>
From: MAILER-DAEMON@old.example
To: b+TOKEN@bounces.shop.example
Subject: failure notice

Hi. This is the qmail-send program at old.example.
I'm afraid I wasn't able to deliver your message to the following addresses.

<ada@example.com>:
203.0.113.9 does not like recipient.
Remote host said: 550 5.1.1 user unknown

--- Below this line is a copy of the message.

Message-ID: <m.TOKEN@shop.example>
"""
CHINESE = (
    b"From: postmaster@qq.example\nTo: b+TOKEN@bounces.shop.example\n"
    b"Subject: =?utf-8?B?57O757uf6YCA5L+h?=\nContent-Type: text/plain; charset=gb18030\n\n"
) + "抱歉,您的邮件被退回来了: 无法投递, 用户不存在".encode("gb18030")
VACATION = b"""From: Ada <ada@example.com>
To: r+TOKEN@replies.shop.example
Subject: Out of office: Hello
Auto-Submitted: auto-replied (vacation)

I am away.
"""
OUTLOOK = VACATION.replace(b"Auto-Submitted: auto-replied (vacation)\n", b"").replace(
    b"Out of office", b"Automatic reply"
)
READ_RECEIPT = b"""From: Ada <ada@example.com>
To: r+TOKEN@replies.shop.example
Subject: Read: Hello
Content-Type: multipart/report; report-type=disposition-notification; boundary=x

--x
Content-Type: text/plain

It was read.
--x
Content-Type: message/disposition-notification

Disposition: manual-action/MDN-sent-manually; displayed
--x--
"""
ANSWER = b"""From: Ada <ada@example.com>
To: r+TOKEN@replies.shop.example
Subject: =?utf-8?q?Re=3A_Gr=C3=BC=C3=9Fe?=
In-Reply-To: <m.TOKEN@shop.example>
Content-Type: multipart/alternative; boundary=y

--y
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable

Danke, sch=F6n!
--y
Content-Type: text/html

<p>Danke</p>
--y--
"""

ALL = [
    *(POSTFIX, EXCHANGE, FULL, VAGUE, CITED, REFUSED, DELAYED, EXPIRED, DELIVERED, NO_ACTION),
    *(PASSED_ON, COMPLAINT, NOT_SPAM, QMAIL, CHINESE, VACATION, OUTLOOK, READ_RECEIPT, ANSWER),
]


def mail(template: bytes, token: str) -> bytes:
    """One of the mails about a message."""
    return template.replace(TOKEN_PLACE.encode(), token.encode())
