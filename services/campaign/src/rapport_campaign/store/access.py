"""What campaign tells of somebody who asks: what they were sent, and what they said no to."""

from collections.abc import Iterable

from rapport_campaign.tables import SCHEMA
from rapport_common.access.aside import aside_parts
from rapport_common.access.parts import (
    LONG_PAGE,
    Choose,
    Part,
    Rows,
    Told,
    covered,
    plain,
    speaking,
)
from rapport_common.events.contact import EMAIL_CHANNEL
from rapport_common.privacy.subject import Recogniser, Subject
from rapport_common.webhooks.keeping import told_posts

_OF_THEM = "t.workspace = :workspace AND {0}.profile_id = ANY(CAST(:profiles AS text[]))"
_MINE = _OF_THEM.format("t")
_WORKSPACE = frozenset({"workspace"})
_SENT = "JOIN campaign.every_message m USING (workspace, send_key)"
_MESSAGES = (
    "campaign.every_message t LEFT JOIN campaign.campaign c USING (workspace, campaign_id) "
    "LEFT JOIN campaign.message_language l ON l.workspace = t.workspace "
    "AND l.send_key = t.send_key LEFT JOIN campaign.coupon k ON k.workspace = t.workspace "
    "AND k.send_key = t.send_key"
)
_MESSAGE = {
    "message": "t.send_key",
    "campaign": "c.name",
    "subject": "c.subject",
    "language": "l.language",
    "coupon": "k.code",
    **plain("channel", "kind", "purpose", "to_address", "state", "reason"),
    **plain("planned_at", "sent_at", "opened_at", "clicked_at"),
}

MESSAGES = Rows(
    "campaign.message",
    "messages to you, and what became of them",
    _MESSAGES,
    {"send_key": "text"},
    _MESSAGE,
    _MINE,
)
CONTENTS = Rows(
    "campaign.content",
    "what single messages to you say",
    f"campaign.content t {_SENT}",
    {"send_key": "text"},
    {"message": "t.send_key", **plain("subject", "html", "text"), "data": "CAST(t.data AS text)"},
    _OF_THEM.format("m"),
    documents=frozenset({"data"}),
    size=LONG_PAGE,
)
CLICKS = Rows(
    "campaign.click",
    "links in messages that you followed",
    f"campaign.click t {_SENT} LEFT JOIN campaign.link l "
    "ON l.workspace = t.workspace AND l.link_id = t.link_id",
    {"send_key": "text", "link_id": "text"},
    {"message": "t.send_key", "url": "l.url", **plain("clicks", "last_at")},
    _OF_THEM.format("m"),
)
ENTRIES = Rows(
    "campaign.entry",
    "stays in segments because of which you may get messages",
    "campaign.entry t LEFT JOIN campaign.segment s USING (workspace, segment_id)",
    {"segment_id": "text", "entry_id": "text"},
    {"segment": "s.name", **plain("cause", "at", "event_timestamp", "ended_at")},
    _MINE,
)
_OUTCOME = {
    "message": "t.send_key",
    "class": "t.grade",
    **plain("kind", "code", "text", "source", "address", "at"),
}
_OUTCOME_KEY = {"send_key": "text", "kind": "text", "mark": "text"}
OUTCOMES = Rows(
    "campaign.outcome",
    "what became known of messages to you after they were sent",
    "campaign.outcome t",
    _OUTCOME_KEY,
    _OUTCOME,
    _MINE,
)
POSTS = told_posts(
    SCHEMA, "what was told of messages to you to other systems of the shop, or waits to be"
)
TASKS = Rows(
    "campaign.task",
    "what our staff were asked to tell you, by phone or in a store, and what came of it",
    "campaign.task t",
    {"task_id": "uuid"},
    plain("channel", "point", "title", "script", "outcome", "note", "created_at", "ended_at"),
    _MINE,
)
PRICES = Rows(
    "campaign.message_price",
    "prices in messages to you, by which rule each came about, and why",
    "campaign.message_price t",
    {"send_key": "text"},
    {"message": "t.send_key", "prices": "CAST(t.prices AS text)", **plain("at")},
    _MINE,
    documents=frozenset({"prices"}),
)
QUOTES = Rows(
    "campaign.offer_quote",
    "prices that a shop has asked for you, and why they were so",
    "campaign.offer_quote t",
    {"quote_id": "uuid"},
    {"prices": "CAST(t.prices AS text)", **plain("offer", "channel", "at", "created_at")},
    _MINE,
    documents=frozenset({"prices"}),
)
OBJECTIONS = Rows(
    "campaign.objection",
    "what you said no to, as it is heeded",
    "campaign.objection t",
    {"address": "text", "purpose": "text", "profile_id": "text"},
    plain("address", "purpose", "word"),
    _MINE,
)
CONTACTS = Rows(
    "campaign.contact",
    "when you were written to, as it counts for how often you are",
    "campaign.contact t LEFT JOIN campaign.campaign c USING (workspace, campaign_id)",
    {"profile_id": "text", "at": "timestamptz", "send_key": "text"},
    {"message": "t.send_key", "campaign": "c.name", **plain("channel", "purpose", "at")},
    _MINE,
)

ANSWERS = Rows(
    "campaign.broadcast_answer",
    "what looks at broadcasts beforehand found of you, for some days",
    "campaign.broadcast_answer t",
    {"job_id": "text", "profile_id": "text"},
    plain("outcome", "reason", "due_at", "at"),
    _MINE,
)
RECOMMENDED = Rows(
    "campaign.recommended",
    "products that messages have recommended to you, and why",
    "campaign.recommended t",
    {"send_key": "text", "slot": "text"},
    {"message": "t.send_key", **plain("slot", "skus", "reasons", "at")},
    _MINE,
)
PRODUCT_EVENTS = Rows(
    "campaign.product_event",
    "products that you have looked at, bought or given back, as they count for what is "
    "recommended to you",
    "campaign.product_event t",
    {"source": "text", "message_id": "text"},
    plain("kind", "skus", "at"),
    "t.workspace = :workspace AND t.subject = ANY(SELECT decode(one, 'hex') "
    "FROM unnest(CAST(:subjects AS text[])) AS one)",
    frozenset({"workspace", "subjects"}),
)
INBOX = Rows(
    "campaign.inbox_item",
    "what our app has shown to you",
    "campaign.inbox_item t",
    {"item_id": "uuid"},
    {
        "item": "t.item_id::text",
        **plain("title", "body", "url", "created_at", "expires_at", "read_at"),
        "data": "CAST(t.data AS text)",
    },
    _MINE,
    documents=frozenset({"data"}),
)


def parts(recogniser: Recogniser) -> list[Part]:
    """All of it."""
    return [
        MESSAGES,
        _addressed(recogniser),
        CONTENTS,
        CLICKS,
        OUTCOMES,
        _reported(recogniser),
        ENTRIES,
        OBJECTIONS,
        POSTS,
        TASKS,
        PRICES,
        QUOTES,
        CONTACTS,
        ANSWERS,
        _suppressed_addresses(recogniser),
        INBOX,
        RECOMMENDED,
        PRODUCT_EVENTS,
        _preferences(recogniser),
        _opt_ins(recogniser),
        _preference_links(recogniser),
        _suppressions(recogniser),
        _links(recogniser),
        *aside_parts(SCHEMA, recogniser),
    ]


def _named(recogniser: Recogniser, column: str) -> Choose:
    def choose(row: Told, who: Subject) -> Iterable[Told]:
        if recogniser.is_named(who, EMAIL_CHANNEL, row[column]):
            yield row

    return choose


def _theirs(recogniser: Recogniser, *texts: str) -> Choose:
    """Rows of their profile or of an address of theirs; what is others' in `texts` is covered."""

    def choose(row: Told, who: Subject) -> Iterable[Told]:
        mine = row["profile"] in who.profiles
        if mine or recogniser.is_named(who, EMAIL_CHANNEL, row["address"]):
            shown = {name: covered(recogniser, who, row[name]) for name in texts}
            yield {name: one for name, one in {**row, **shown}.items() if name != "profile"}

    return choose


def _addressed(recogniser: Recogniser) -> Part:
    """Messages for others' affairs that went to an address of theirs."""
    return Rows(
        "campaign.message",
        MESSAGES.about,
        _MESSAGES,
        {"send_key": "text"},
        _MESSAGE,
        "t.workspace = :workspace AND t.kind <> 'entry' AND t.to_address IS NOT NULL "
        "AND t.profile_id <> ALL (CAST(:profiles AS text[]))",
        choose=_named(recogniser, "to_address"),
    )


def _reported(recogniser: Recogniser) -> Part:
    """Of messages for others' affairs that went to an address of theirs."""
    return Rows(
        "campaign.outcome",
        OUTCOMES.about,
        "campaign.outcome t",
        _OUTCOME_KEY,
        _OUTCOME,
        "t.workspace = :workspace AND t.address IS NOT NULL "
        "AND t.profile_id <> ALL (CAST(:profiles AS text[]))",
        choose=_named(recogniser, "address"),
    )


def _preferences(recogniser: Recogniser) -> Part:
    return Rows(
        "campaign.preference",
        "what you chose on the page of your settings",
        "campaign.preference t",
        {"address": "text", "purpose": "text"},
        {"profile": "t.profile_id", **plain("address", "purpose", "wanted", "at")},
        "t.workspace = :workspace",
        _WORKSPACE,
        choose=_theirs(recogniser),
    )


def _opt_ins(recogniser: Recogniser) -> Part:
    return Rows(
        "campaign.opt_in",
        "mails that asked whether you want to get something, and whether you said yes",
        "campaign.opt_in t",
        {"opt_in_id": "text"},
        {
            "profile": "t.profile_id",
            **plain("address", "purpose", "language", "wording_version", "reason"),
            **plain("asked_at", "ends_at", "confirmed_at"),
        },
        "t.workspace = :workspace",
        _WORKSPACE,
        choose=_theirs(recogniser, "reason"),
    )


def _preference_links(recogniser: Recogniser) -> Part:
    return Rows(
        "campaign.preference_link",
        "links to the page of your settings that our staff have made",
        "campaign.preference_link t",
        {"link_key": "text"},
        {"profile": "t.profile_id", **plain("address", "reason", "created_at")},
        "t.workspace = :workspace",
        _WORKSPACE,
        choose=_theirs(recogniser, "reason"),
    )


def _suppressions(recogniser: Recogniser) -> Part:
    return Rows(
        "campaign.suppression",
        "addresses of yours that get nothing any more",
        "campaign.suppression t",
        {"address": "text", "purpose": "text"},
        {"profile": "t.profile_id", **plain("address", "purpose", "reason", "at")},
        "t.workspace = :workspace",
        _WORKSPACE,
        choose=_theirs(recogniser),
    )


def _suppressed_addresses(recogniser: Recogniser) -> Part:
    def choose(row: Told, who: Subject) -> Iterable[Told]:
        if any(recogniser.is_named(who, kind, row["address"]) for kind in ("email", "phone")):
            yield {**row, "reason": covered(recogniser, who, row["reason"])}

    return Rows(
        "campaign.suppressed_address",
        "addresses of yours to which staff have stopped messages",
        "campaign.suppressed_address t",
        {"address": "text", "channel": "text"},
        plain("address", "channel", "purpose", "reason", "at", "ended_at"),
        "t.workspace = :workspace",
        _WORKSPACE,
        choose=choose,
    )


def _links(recogniser: Recogniser) -> Part:
    return Rows(
        "campaign.link",
        "links in messages that speak of you",
        "campaign.link t",
        {"link_id": "text"},
        plain("url"),
        "t.workspace = :workspace",
        _WORKSPACE,
        choose=speaking(recogniser, "url"),
    )
