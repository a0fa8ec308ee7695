"""What segment tells of somebody who asks: which segments they are and were in, and why."""

from rapport_common.access.aside import aside_parts
from rapport_common.access.parts import Part, Rows, plain
from rapport_common.privacy.subject import Recogniser
from rapport_common.webhooks.keeping import told_posts
from rapport_segment.store.published_scores import PUBLISHED
from rapport_segment.tables import SCHEMA

STAYS = Rows(
    "segment.membership",
    "the segments you are or were in, since when and why",
    "segment.membership t LEFT JOIN segment.definition d USING (workspace, segment_id)",
    {"profile_id": "uuid", "segment_id": "uuid", "entry_id": "uuid"},
    {"segment": "d.name", **plain("entered_at", "reason", "exited_at", "exit_reason")},
    "t.workspace = :workspace AND t.profile_id = ANY(CAST(CAST(:profiles AS text[]) AS uuid[])) "
    "AND NOT t.beside",
)

POSTS = told_posts(
    SCHEMA, "what waits to be told of you to other systems of the shop, or could not be told"
)

FILES = Rows(
    "segment.audience_part",
    "files for advertising platforms that hold a hash of your address or number, with your consent",
    "segment.audience_part t JOIN segment.audience_file f USING (workspace, file_id) "
    "JOIN segment.audience a USING (workspace, audience_id)",
    {"file_id": "uuid", "number": "integer"},
    {"name": "a.name", "platform": "a.platform", "made_at": "f.made_at"},
    "t.workspace = :workspace AND t.people && CAST(CAST(:profiles AS text[]) AS uuid[])",
)


LISTS = Rows(
    "segment.list_member",
    "the lists that have an identifier of yours",
    "segment.list_member t JOIN segment.list l USING (workspace, list_id)",
    {"list_id": "uuid", "kind": "text", "value": "text"},
    {"list": "l.name", **plain("kind", "value", "added_at")},
    "t.workspace = :workspace AND t.subject = ANY(CAST(CAST(:subjects AS text[]) AS uuid[]))",
    frozenset({"workspace", "subjects"}),
)


SCORES = Rows(
    "segment.score",
    "how you were scored among all customers, and when that last changed",
    "segment.score t",
    {"profile_id": "uuid"},
    plain("scores", "as_of"),
    "t.workspace = :workspace AND t.profile_id = ANY(CAST(CAST(:profiles AS text[]) AS uuid[]))",
)


def parts(recogniser: Recogniser) -> list[Part]:
    """All of it; the traits and events kept here are profile's."""
    return [STAYS, LISTS, SCORES, PUBLISHED.told, POSTS, FILES, *aside_parts(SCHEMA, recogniser)]
