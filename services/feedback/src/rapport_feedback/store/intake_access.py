"""What is told to somebody of how their cases came in, of their files, and of what they got."""

from collections.abc import Callable, Iterable

from rapport_common.access.parts import Choose, Part, Rows, Told, covered, plain
from rapport_common.privacy.subject import Recogniser, Subject

_WORKSPACE = frozenset({"workspace"})
_ALL = "t.workspace = :workspace"
_NAMES = ("user_id", "email", "anonymous_id")
_WHO = {one: f"c.{one}" for one in _NAMES}
_CASE = "JOIN feedback.complaint c USING (workspace, case_id)"
_CLAIM = "LEFT JOIN feedback.case_arrival a USING (workspace, case_id)"
_CLAIMED = {"claimed": "a.email"}
IsTheirs = Callable[[Told, Subject, Recogniser], bool]


class Own:
    """Chooses the rows of a person's cases, and of those that claim to be theirs."""

    def __init__(self, recogniser: Recogniser, is_theirs: IsTheirs) -> None:
        self._recogniser = recogniser
        self._is_theirs = is_theirs

    def __call__(self, *columns: str) -> Choose:
        """Tell these columns of them."""
        recogniser, is_theirs = self._recogniser, self._is_theirs

        def choose(row: Told, who: Subject) -> Iterable[Told]:
            claimed = recogniser.is_named(who, "email", row.get("claimed"))
            if claimed or is_theirs({name: row.get(name) for name in _NAMES}, who, recogniser):
                yield {name: row[name] for name in columns if row[name] is not None}

        return choose

    def covered(self, *columns: str) -> Choose:
        """The same; what is others' in `sender` and `quoted` is covered."""
        recogniser, all_of = self._recogniser, self(*columns)

        def choose(row: Told, who: Subject) -> Iterable[Told]:
            hidden = {name: covered(recogniser, who, row[name]) for name in ("sender", "quoted")}
            yield from ({**one, **hidden} for one in all_of(row, who))

        return choose


def intake_parts(recogniser: Recogniser, is_theirs: IsTheirs) -> list[Part]:
    """All of it; `is_theirs`: whether a row's identifiers are the person's."""
    own = Own(recogniser, is_theirs)
    return [*_words(own), *_things(own)]


def _words(own: Own) -> list[Part]:
    return [
        Rows(
            "feedback.case_arrival",
            "how your cases came in, and who they say to be from",
            f"feedback.case_arrival t {_CASE}",
            {"case_id": "uuid"},
            {
                "number": "c.number",
                **_WHO,
                "claimed": "t.email",
                "address": "t.email",
                **plain("channel", "phone", "name", "at"),
            },
            _ALL,
            _WORKSPACE,
            choose=own("number", "channel", "address", "phone", "name", "at"),
        ),
        Rows(
            "feedback.case_mail",
            "where your mails were from, and what they cited",
            f"feedback.case_mail t {_CASE}",
            {"message_id": "text"},
            {
                "number": "c.number",
                **_WHO,
                "claimed": "t.sender",
                **plain("sender", "quoted", "at"),
            },
            _ALL,
            _WORKSPACE,
            choose=own.covered("number", "sender", "quoted", "at"),
        ),
    ]


def _things(own: Own) -> list[Part]:
    return [
        Rows(
            "feedback.attachment",
            "the files of your cases; ask for those that you want to have",
            f"feedback.attachment t {_CASE} {_CLAIM}",
            {"attachment_id": "uuid"},
            {
                "number": "c.number",
                **_WHO,
                **_CLAIMED,
                "file": "t.name",
                **plain("media_type", "size"),
                "at": "t.at",
            },
            _ALL,
            _WORKSPACE,
            choose=own("number", "file", "media_type", "size", "at"),
        ),
        Rows(
            "feedback.goodwill",
            "what you were given",
            f"feedback.goodwill t {_CASE} {_CLAIM}",
            {"goodwill_id": "uuid"},
            {
                "number": "c.number",
                **_WHO,
                **_CLAIMED,
                "what": "t.kind",
                "amount": "CAST(t.amount AS text)",
                **plain("currency", "code"),
                "at": "t.at",
            },
            _ALL,
            _WORKSPACE,
            choose=own("number", "what", "amount", "currency", "code", "at"),
        ),
    ]
