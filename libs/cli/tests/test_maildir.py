"""Mails of a Maildir: their order, finding one, and counting send keys."""

from email.message import EmailMessage
from pathlib import Path

import pytest

from rapport_cli import maildir
from rapport_cli.errors import CliError


def _mail(folder: Path, name: str, *, key: str | None = None, subject: str = "Hello") -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@example.com", "b@example.com", subject
    message["Message-ID"] = f"<{name}@example.com>"
    if key:
        message[maildir.SEND_KEY] = key
    message.set_content(f"{maildir.SEND_KEY}: not-a-header\n\nText of {name}\n")
    message.add_alternative(f"<p>HTML of {name}</p>", subtype="html")
    (folder / name).write_bytes(message.as_bytes())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("new", "cur", "tmp"):
        (tmp_path / name).mkdir()
    _mail(tmp_path / "new", "200.b", key="k2", subject="Zweite – Nachricht")
    _mail(tmp_path / "cur", "100.a", key="k1")
    _mail(tmp_path / "new", "300.c")
    (tmp_path / "tmp" / "400.half").write_text("not delivered yet")
    return tmp_path


def test_numbers_go_from_old_to_new_over_both_folders(folder: Path) -> None:
    assert [(mail.number, mail.id) for mail in maildir.mails(folder)] == [
        (1, "100.a"),
        (2, "200.b"),
        (3, "300.c"),
    ]


@pytest.mark.parametrize("wanted", ["2", "200.b", "<200.b@example.com>", "200.b@example.com"])
def test_a_mail_is_found_by_number_id_or_message_id(folder: Path, wanted: str) -> None:
    assert maildir.find(folder, wanted).summary()["subject"] == "Zweite – Nachricht"


def test_text_and_html(folder: Path) -> None:
    message = maildir.find(folder, "1").message()
    assert "Text of 100.a" in maildir.body_of(message, html=False)
    assert "<p>HTML of 100.a</p>" in maildir.body_of(message, html=True)


def test_send_keys_come_from_headers_only(folder: Path) -> None:
    assert maildir.send_keys(folder) == {"k1": 1, "k2": 1}
    _mail(folder / "new", "500.again", key="k1")
    assert maildir.send_keys(folder)["k1"] == 2


def test_what_is_not_there_is_said(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(CliError, match="no mail '9' among 3"):
        maildir.find(folder, "9")
    with pytest.raises(CliError, match="no Maildir"):
        maildir.mails(tmp_path / "elsewhere")
