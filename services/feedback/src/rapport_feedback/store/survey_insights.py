"""What is behind a wave's score: who of which group was invited, and which answers go together."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_feedback.domain.drivers import GROUPS, Sums
from rapport_feedback.domain.questions import Scale
from rapport_feedback.domain.surveys import COUNTED, OPEN_LINK
from rapport_feedback.store.survey_scores import PERSON

_INVITED = text(
    "SELECT coalesce(context->>CAST(:by AS text), '') AS part, count(*) AS people "
    "FROM feedback.invitation WHERE workspace = :workspace AND survey_id = :survey_id "
    f"AND wave = :wave AND kind <> '{OPEN_LINK}' GROUP BY part ORDER BY part"
)
_LATEST = """(
    SELECT DISTINCT ON (person) person, {values} FROM (
        SELECT {person} AS person, r.score, r.answers, r.revised_at, r.response_id
        FROM feedback.response r WHERE r.workspace = :workspace AND r.survey_id = :survey_id
        AND r.wave = :wave AND r.state = ANY(:states) AND r.released
    ) r ORDER BY person, revised_at DESC, response_id) latest"""


async def invited_by(
    tx: AsyncConnection, workspace: str, survey_id: UUID, wave: int, by: str
) -> dict[str, int]:
    """{value of the dimension, "" without one: people's own links} of a wave."""
    rows = await tx.execute(
        _INVITED, {"workspace": workspace, "survey_id": survey_id, "wave": wave, "by": by}
    )
    return {row.part: row.people for row in rows}


class Joint:
    """Answers to several scored questions by the same people, the leading one first."""

    def __init__(
        self, workspace: str, survey_id: UUID, wave: int, questions: Sequence[Scale]
    ) -> None:
        self._questions = list(questions)
        self._given: dict[str, object] = {
            "workspace": workspace,
            "survey_id": survey_id,
            "wave": wave,
            "states": list(COUNTED),
            **{f"q{at}": one.id for at, one in enumerate(questions) if at},
        }

    async def answered(self, tx: AsyncConnection) -> list[int]:
        """How many people have answered each."""
        counted = ", ".join(f"count(v{at})" for at, _ in enumerate(self._questions))
        row = (await tx.execute(text(f"SELECT {counted} FROM {self._latest()}"), self._given)).one()
        return list(row)

    async def sums(self, tx: AsyncConnection) -> list[Sums]:
        """Sums over who has answered all, in groups that go by who somebody is."""
        size = len(self._questions)
        pairs = [(one, other) for one in range(size) for other in range(one, size)]
        first = ", ".join(f"sum(v{at})" for at in range(size))
        second = ", ".join(f"sum(v{one} * v{other})" for one, other in pairs)
        whole = " AND ".join(f"v{at} IS NOT NULL" for at in range(size))
        rows = await tx.execute(
            text(
                f"SELECT count(*), {first}, {second} FROM {self._latest()} WHERE {whole} "
                f"GROUP BY abs(CAST(hashtext(person) AS bigint)) % {GROUPS}"
            ),
            self._given,
        )
        return [_sums(size, pairs, list(map(float, row))) for row in rows.all()]

    def _latest(self) -> str:
        values = ", ".join(f"{_value(at, one)} AS v{at}" for at, one in enumerate(self._questions))
        return _LATEST.format(values=values, person=PERSON)


def _value(at: int, question: Scale) -> str:
    """A number of the scale, or NULL: a question of this name may have been another once."""
    found = "r.score"
    if at:
        known = f"CAST(r.answers AS jsonb)->CAST(:q{at} AS text)"
        found = f"CASE WHEN jsonb_typeof({known}) = 'number' THEN CAST({known} AS integer) END"
    low, high = int(question.lowest), int(question.highest)
    return f"CASE WHEN {found} BETWEEN {low} AND {high} THEN CAST({found} AS bigint) END"


def _sums(size: int, pairs: Sequence[tuple[int, int]], row: Sequence[float]) -> Sums:
    second = dict(zip(pairs, row[size + 1 :], strict=True))
    return Sums(
        int(row[0]),
        tuple(row[1 : size + 1]),
        tuple(
            tuple(second[min(one, other), max(one, other)] for other in range(size))
            for one in range(size)
        ),
    )
