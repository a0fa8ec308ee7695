"""What feedback tells of somebody who asks: what they answered and complained of, and the replies.

What others wrote of them is told without who that was, and without others' addresses.
"""

from collections.abc import Iterable

from rapport_common.access.aside import aside_parts
from rapport_common.access.parts import Choose, Part, Rows, Told, covered, plain
from rapport_common.privacy.subject import Recogniser, Subject
from rapport_common.webhooks.keeping import told_posts
from rapport_feedback.store.intake_access import intake_parts
from rapport_feedback.tables import SCHEMA

_NAMES = ("user_id", "email", "anonymous_id")
_WORKSPACE = frozenset({"workspace"})
_ALL = "t.workspace = :workspace"
_SURVEY = "JOIN feedback.survey s USING (workspace, survey_id)"
_POSTS = "what was told of your answers and cases to other systems of the shop, or waits to be"
_WHO = {one: f"c.{one}" for one in _NAMES}

IDENTITIES = Rows(
    "feedback.identity",
    "identifiers by which your answers and cases are found",
    "feedback.identity t",
    {"kind": "text", "value": "text", "profile_id": "text"},
    plain("kind", "value"),
    f"{_ALL} AND t.profile_id = ANY(CAST(:profiles AS text[]))",
)


_OF_PROFILE = f"{_ALL} AND t.profile_id = ANY(CAST(:profiles AS text[]))"
ASKED = [
    Rows(
        "feedback.asking_occasion",
        "when you were to be asked something, and what became of it",
        "feedback.asking_occasion t",
        {"asking_id": "uuid", "occasion": "text"},
        plain("state", "reason", "due_at", "channel", "asked_at", "reminders", "answered_at"),
        _OF_PROFILE,
    ),
    Rows(
        "feedback.segment_stay",
        "groups of customers that you are in",
        "feedback.segment_stay t",
        {"segment_id": "text", "profile_id": "text"},
        plain("entered_at"),
        _OF_PROFILE,
    ),
    Rows(
        "feedback.person_reach",
        "where surveys reach you, and in which language",
        "feedback.person_reach t",
        {"profile_id": "text"},
        {"points": "CAST(t.points AS text)", "language": "t.language"},
        _OF_PROFILE,
    ),
]


def parts(recogniser: Recogniser) -> list[Part]:
    """All of it."""
    return [
        IDENTITIES,
        *ASKED,
        _invitations(recogniser),
        _answers(recogniser),
        _comments(recogniser),
        _cases(recogniser),
        _steps(recogniser),
        _entries(recogniser),
        _messages(recogniser),
        *intake_parts(recogniser, _is_theirs),
        _read_of_texts(recogniser),
        told_posts(SCHEMA, _POSTS),
        *aside_parts(SCHEMA, recogniser),
    ]


def _is_theirs(row: Told, who: Subject, known: Recogniser) -> bool:
    """By (kind, value), and the columns that hold one kind each."""
    given = [(row.get("kind"), row.get("value")), *((one, row.get(one)) for one in _NAMES)]
    return any(known.is_named(who, kind, value) for kind, value in given if kind)


def _theirs(recogniser: Recogniser) -> Choose:
    def choose(row: Told, who: Subject) -> Iterable[Told]:
        if _is_theirs(row, who, recogniser):
            yield {name: one for name, one in row.items() if one is not None}

    return choose


def _mentions(recogniser: Recogniser, *texts: str) -> Choose:
    """What others wrote: of a row that is not the person's own the texts that speak of them."""

    def choose(row: Told, who: Subject) -> Iterable[Told]:
        if not _is_theirs(row, who, recogniser):
            for name in texts:
                if recogniser.is_mentioned(who, row[name]):
                    yield {"text": covered(recogniser, who, row[name])}

    return choose


def _invitations(recogniser: Recogniser) -> Part:
    return Rows(
        "feedback.invitation",
        "surveys that you were asked to answer",
        f"feedback.invitation t {_SURVEY}",
        {"invitation_id": "uuid"},
        {
            "survey": "s.name",
            "traits": "CAST(t.traits AS text)",
            **plain("wave", "kind", "value", *_NAMES, "created_at", "expires_at"),
        },
        _ALL,
        _WORKSPACE,
        choose=_theirs(recogniser),
    )


def _answers(recogniser: Recogniser) -> Part:
    return Rows(
        "feedback.response",
        "what you answered to surveys",
        f"feedback.response t {_SURVEY}",
        {"response_id": "uuid"},
        {
            "survey": "s.name",
            **plain("wave", "kind", "value", "score", "comment", "answered_at", "revised_at"),
            "answers": "CAST(t.answers AS text)",
            "words": "CAST(t.words AS text)",
        },
        _ALL,
        _WORKSPACE,
        choose=_theirs(recogniser),
    )


def _comments(recogniser: Recogniser) -> Part:
    return Rows(
        "feedback.mention",
        "what others wrote of you, without who they are",
        "feedback.response t",
        {"response_id": "uuid"},
        {**plain("kind", "value", "comment"), "words": "CAST(t.words AS text)"},
        f"{_ALL} AND (t.comment <> '' OR t.words <> '{{}}')",
        _WORKSPACE,
        choose=_mentions(recogniser, "comment", "words"),
    )


def _cases(recogniser: Recogniser) -> Part:
    theirs, mentions = _theirs(recogniser), _mentions(recogniser, "subject", "body")

    def choose(row: Told, who: Subject) -> Iterable[Told]:
        yield from theirs(row, who)
        yield from mentions(row, who)

    return Rows(
        "feedback.complaint",
        "your cases; of others' the texts that speak of you, without who they are",
        "feedback.complaint t",
        {"case_id": "uuid"},
        plain("number", *_NAMES, "state", "subject", "body", "opened_at", "due_at", "closed_at"),
        _ALL,
        _WORKSPACE,
        choose=choose,
    )


def _steps(recogniser: Recogniser) -> Part:
    """An agent's name is not told, nor others' addresses in notes."""
    mentions = _mentions(recogniser, "note")

    def choose(row: Told, who: Subject) -> Iterable[Told]:
        if _is_theirs(row, who, recogniser):
            told = {name: row[name] for name in ("number", "at", "to_state")}
            yield {**told, "note": covered(recogniser, who, row["note"])}
        else:
            yield from mentions(row, who)

    return Rows(
        "feedback.case_event",
        "what was done about your cases, and what was noted of you at others'",
        "feedback.case_event t JOIN feedback.complaint c USING (workspace, case_id)",
        {"case_id": "uuid", "step": "integer"},
        {"number": "c.number", **_WHO, **plain("at", "to_state", "note")},
        _ALL,
        _WORKSPACE,
        choose=choose,
    )


def _entries(recogniser: Recogniser) -> Part:
    """Those who wrote them are not named, nor others' addresses."""
    mentions = _mentions(recogniser, "note")

    def choose(row: Told, who: Subject) -> Iterable[Told]:
        if _is_theirs(row, who, recogniser):
            told = {name: row[name] for name in ("number", "at", "entry")}
            yield {**told, "note": covered(recogniser, who, row["note"])}
        else:
            yield from mentions(row, who)

    return Rows(
        "feedback.case_entry",
        "what was said and noted about your cases, and what was noted of you at others'",
        "feedback.case_entry t JOIN feedback.complaint c USING (workspace, case_id)",
        {"case_id": "uuid", "version": "integer"},
        {"number": "c.number", **_WHO, "entry": "t.kind", **plain("at", "note")},
        f"{_ALL} AND t.note <> ''",
        _WORKSPACE,
        choose=choose,
    )


def _messages(recogniser: Recogniser) -> Part:
    mentions = _mentions(recogniser, "subject", "body")

    def choose(row: Told, who: Subject) -> Iterable[Told]:
        if _is_theirs(row, who, recogniser):
            yield {name: row[name] for name in ("number", "at", "message", "subject", "body")}
        else:
            yield from mentions(row, who)

    return Rows(
        "feedback.case_message",
        "what you wrote to us by mail, and what others wrote of you, without who they are",
        "feedback.case_message t JOIN feedback.complaint c USING (workspace, case_id)",
        {"message_id": "text"},
        {"number": "c.number", **_WHO, "message": "t.send_key", **plain("at", "subject", "body")},
        _ALL,
        _WORKSPACE,
        choose=choose,
    )


def _read_of_texts(recogniser: Recogniser) -> Part:
    """What was worked out from the person's own words; the words themselves are told above."""

    def choose(row: Told, who: Subject) -> Iterable[Told]:
        if _is_theirs(row, who, recogniser):
            names = ("at", "part", "language", "sentiment", "label", "topics", "result")
            yield {name: row[name] for name in names if row[name] is not None}

    return Rows(
        "feedback.text_enrichment",
        "what we read of your words: language, mood, topics",
        "feedback.text_enrichment t LEFT JOIN feedback.response r ON r.workspace = t.workspace "
        "AND r.response_id = t.response_id LEFT JOIN feedback.complaint c "
        "ON c.workspace = t.workspace AND c.case_id = t.case_id",
        {"text_id": "uuid"},
        {
            "kind": "r.kind",
            "value": "r.value",
            **_WHO,
            "topics": "CAST(t.topics AS text)",
            "result": "CAST(t.result AS text)",
            **plain("at", "part", "language", "sentiment", "label"),
        },
        f"{_ALL} AND t.state = 'done'",
        _WORKSPACE,
        choose=choose,
    )
