"""The pages customers see: small, without scripts, and with nothing from elsewhere."""

import base64
import hashlib
from html import escape

from rapport_feedback.domain.nps import HIGHEST, LOWEST
from rapport_feedback.domain.surveys import MAX_COMMENT, Response

MAX_SUBJECT, MAX_BODY = 200, 10_000

STYLE = """
:root{color-scheme:light dark;font:100%/1.5 system-ui,sans-serif}
body{margin:0 auto;max-width:40rem;padding:1.5rem 1rem}
h1{font-size:1.4rem;line-height:1.3}
fieldset{border:0;margin:0;padding:0}
legend{padding:0;margin-bottom:1rem}
.scale{display:grid;grid-template-columns:repeat(auto-fill,minmax(3rem,1fr));gap:.5rem}
button{font:inherit;min-height:3rem;border:1px solid;border-radius:.5rem;cursor:pointer}
button:focus-visible,input:focus-visible,textarea:focus-visible{outline:3px solid #0a58ca}
button[aria-pressed=true]{background:#0a58ca;color:#fff}
.ends{display:flex;justify-content:space-between;font-size:.9rem;margin:.5rem 0 1.5rem}
label{display:block;margin-top:1rem}
input,textarea{font:inherit;width:100%;box-sizing:border-box;padding:.5rem;margin:.25rem 0 1rem}
textarea{min-height:7rem}
.send{padding:0 1.5rem}
.note{border-left:4px solid #0a58ca;padding-left:.75rem}
details{margin-top:2rem}
summary{cursor:pointer;min-height:3rem;line-height:3rem}
""".strip()

_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()

HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    # The address of the page is the right to answer: it goes to nobody.
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex, nofollow",
}


def survey(token: str, question: str, response: Response | None, *, changeable: bool) -> str:
    """The question with its scale; after an answer also what else can be said."""
    parts = [_thanks(response)] if response else []
    if changeable:
        parts.append(_scale(question, None if response is None else response.score))
    if response and (changeable or not response.comment):
        parts.append(_comment(response.comment))
    if response:
        parts.append(_complaint(token))
    return _page(question, "\n".join(parts))


def case_taken(number: int, answer_by: str) -> str:
    """What a customer sees after complaining; `answer_by` is a date in words."""
    return _page(
        "We have your complaint",
        f"<h1>We have your complaint</h1>\n<p>Its number is <strong>{number}</strong>. Somebody "
        f"will look into it, and you will have our answer by {escape(answer_by)}.</p>",
    )


def problem(title: str, message: str) -> str:
    """A page that says what is wrong and what to do."""
    return _page(title, f"<h1>{escape(title)}</h1>\n<p>{escape(message)}</p>")


def _page(title: str, body: str) -> str:
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _thanks(response: Response) -> str:
    return (
        '<p class="note" role="status">Thank you. Your answer: '
        f"<strong>{response.score}</strong></p>"
    )


def _scale(question: str, chosen: int | None) -> str:
    buttons = "\n".join(_button(score, pressed=score == chosen) for score in _scores())
    return (
        '<form method="post">\n<fieldset>\n'
        f'<legend><h1>{escape(question)}</h1></legend>\n<div class="scale">\n{buttons}\n</div>\n'
        f'<div class="ends"><span>{LOWEST} = not at all likely</span>'
        f"<span>{HIGHEST} = extremely likely</span></div>\n</fieldset>\n</form>"
    )


def _scores() -> range:
    return range(LOWEST, HIGHEST + 1)


def _button(score: int, *, pressed: bool) -> str:
    state = ' aria-pressed="true"' if pressed else ""
    label = f"{score} out of {HIGHEST}"
    return (
        f'<button type="submit" name="score" value="{score}" aria-label="{label}"{state}>'
        f"{score}</button>"
    )


def _comment(comment: str) -> str:
    return (
        '<form method="post">\n<label for="comment">What is the main reason?</label>'
        f'\n<textarea id="comment" name="comment" maxlength="{MAX_COMMENT}">{escape(comment)}'
        '</textarea>\n<button class="send" type="submit">Send</button>\n</form>'
    )


def _complaint(token: str) -> str:
    # A relative address, so that the page also works behind a path of somebody's own server.
    return (
        "<details>\n<summary>Something went wrong? Make a complaint</summary>\n"
        f'<form method="post" action="{escape(token)}/complaint">\n'
        '<label for="subject">What is it about?</label>\n'
        f'<input id="subject" name="subject" maxlength="{MAX_SUBJECT}" required>\n'
        '<label for="body">What happened, and what would put it right?</label>\n'
        f'<textarea id="body" name="body" maxlength="{MAX_BODY}" required></textarea>\n'
        '<button class="send" type="submit">Send the complaint</button>\n</form>\n</details>'
    )
