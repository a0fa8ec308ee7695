"""What feedback keeps of people for a time that a workspace chooses.

Scores and the numbers of cases stay, without a word of the person, as after an erasure.
"""

from rapport_common.keeping.classes import DataClass
from rapport_feedback.store import intake_privacy, privacy

_RESTRICTED = (
    "EXISTS (SELECT FROM feedback.identity i JOIN feedback.restricted r USING (workspace, "
    "profile_id) WHERE i.workspace = :workspace AND {named})"
)
_BY_KIND = "i.kind = page.kind AND i.value = page.value"
_BY_NAMES = (
    "(i.kind, i.value) IN (('user_id', page.user_id), ('email', page.email), "
    "('anonymous_id', page.anonymous_id))"
)
_NAMES = ("user_id", "email", "anonymous_id")

# What was written at a case that is empty already: as old as the case had to be.
_WRITTEN_LATER = " OR ".join(
    f"EXISTS (SELECT FROM feedback.{table} w WHERE w.workspace = t.workspace "
    f"AND w.case_id = t.case_id AND w.at < :before{there})"
    for table, there in (
        ("case_event", " AND w.note <> ''"),
        ("case_entry", " AND w.note <> ''"),
        ("case_message", ""),
    )
)
# A duplicate is shown with the case that goes on, and goes when that goes.
_GOES_ON_NOWHERE = (
    "NOT EXISTS (SELECT FROM feedback.complaint h WHERE h.workspace = t.workspace "
    "AND h.case_id = t.heir_id AND (h.state <> 'closed' OR h.closed_at >= :before))"
)

ANSWERS = DataClass(
    name="answers",
    about="who answered a survey, and the comment; the score stays",
    table="feedback.response",
    key={"response_id": "uuid"},
    over=f"t.revised_at < :before AND t.kind <> '{privacy.ERASED}'",
    gone=(privacy.BLANK_ANSWER, privacy.DROP_TEXTS),
    owner=("kind", "value"),
    held=_RESTRICTED.format(named=_BY_KIND),
    shortest=30,
)
CASES = DataClass(
    name="cases",
    about="closed complaints: who, what, files and notes; the number stays",
    table="feedback.complaint",
    key={"case_id": "uuid"},
    over=f"t.closed_at < :before AND t.state = 'closed' AND {_GOES_ON_NOWHERE} "
    "AND (t.subject <> '' OR t.body <> '' OR t.user_id IS NOT NULL OR t.email IS NOT NULL "
    f"OR t.anonymous_id IS NOT NULL OR {_WRITTEN_LATER})",
    gone=(
        privacy.BLANK_CASE,
        privacy.BLANK_NOTES,
        privacy.BLANK_ENTRIES,
        privacy.DROP_MESSAGES,
        *intake_privacy.GONE,
        privacy.DROP_TEXTS,
    ),
    owner=_NAMES,
    held=_RESTRICTED.format(named=_BY_NAMES),
    shortest=30,
)
CLASSES = [ANSWERS, CASES]
