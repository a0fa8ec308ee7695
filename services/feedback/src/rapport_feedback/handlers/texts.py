"""What people say of texts and of topics: corrections, topics in versions, models that hold."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.errors import ConflictError, InvalidRequestError, NotFoundError
from rapport_feedback.domain.texts.languages import KNOWN, OTHER
from rapport_feedback.domain.texts.resemblance import ALIKE, likeness
from rapport_feedback.domain.texts.topic_rules import TopicDocument, TopicError, check
from rapport_feedback.handlers.enriching import MOST_TOPICS, taught_topics
from rapport_feedback.handlers.text_work import ask_reading
from rapport_feedback.store import text_lists, text_models, text_topics
from rapport_feedback.store.text_lists import Text, TopicScore
from rapport_feedback.store.text_models import ModelVersion
from rapport_feedback.store.text_topics import TopicVersion

FEWEST = 5
"""Anonymous people: of fewer no score is told."""


async def text_of(
    tx: AsyncConnection, workspace: str, text_id: UUID, *, lock: bool = False
) -> Text:
    """A text; NotFoundError when there is none of this id."""
    found = await text_lists.one(tx, workspace, text_id, lock=lock)
    if found is None:
        message = f"There is no text {str(text_id)!r} in this workspace."
        raise NotFoundError(message)
    return found


async def alike(tx: AsyncConnection, workspace: str, of: Text) -> list[tuple[Text, float]]:
    """Texts that are nearly the same, the most alike first, with the share in common; of an
    anonymous one none, as they may be of its writer and say who that is.
    """
    if of.anonymous or of.result is None or not of.result.signature:
        return []
    found = [
        (one, round(likeness(of.result.signature, one.result.signature), 2))
        for one in await text_lists.candidates(tx, workspace, of)
        if one.result is not None and one.result.signature
    ]
    near = [one for one in found if one[1] >= ALIKE]
    return sorted(near, key=lambda one: (-one[1], str(one[0].text_id)))[:20]


async def correct(
    tx: AsyncConnection,
    workspace: str,
    text_id: UUID,
    *,
    topics: Sequence[str] | None,
    label: str | None,
    actor: str,
) -> Text:
    """Let what somebody says of a text hold at once. The same again changes nothing."""
    found = await text_of(tx, workspace, text_id, lock=True)
    if found.result is None:
        message = "This text has not been read yet: what would be corrected is not there."
        raise ConflictError(message, details={"state": found.state})
    said = None if topics is None else sorted(set(topics))
    known, _versions = await taught_topics(tx, workspace)
    for index, one in enumerate(topics or ()):
        if one not in known:
            message = f"topics.{index}: there is no topic {one!r}: set it first."
            raise InvalidRequestError(message, details={"field": f"topics.{index}"})
    is_said = (said is None or found.said_topics == said) and label in {None, found.said_label}
    if not is_said:
        await text_lists.correct(tx, workspace, found, topics=said, label=label, actor=actor)
    return await text_of(tx, workspace, text_id)


@dataclass(frozen=True, slots=True)
class By:
    """Who declares it and why, and which version it takes the place of (0: none)."""

    actor: str
    reason: str
    version: int


async def declare(
    tx: AsyncConnection, workspace: str, name: str, document: TopicDocument, by: By
) -> tuple[TopicVersion, str]:
    """Let a topic hold from now on; the id of the job by which all texts are read again."""
    try:
        check(document, (*KNOWN, OTHER))
    except TopicError as error:
        message = f"{error.where}: {error}."
        raise InvalidRequestError(message, details={"field": error.where}) from error
    await text_topics.lock(tx, workspace)
    version, is_there = await _version(tx, workspace, name, by)
    if not is_there:
        there = await text_topics.newest(tx, workspace, limit=MOST_TOPICS)
        if len(there) >= MOST_TOPICS:
            message = f"A workspace has {MOST_TOPICS} topics at most: take one away first."
            raise ConflictError(message)
    await text_topics.add(tx, workspace, name, version + 1, document, by=(by.actor, by.reason))
    job = await ask_reading(tx, workspace, f"topic {name}")
    return await topic(tx, workspace, name), job


async def remove(tx: AsyncConnection, workspace: str, name: str, by: By) -> None:
    """Take a topic away; texts lose it by a job, its versions stay."""
    await text_topics.lock(tx, workspace)
    found = await topic(tx, workspace, name)
    await text_topics.add(tx, workspace, name, found.version + 1, None, by=(by.actor, by.reason))
    await ask_reading(tx, workspace, f"topic {name}")


async def topic(tx: AsyncConnection, workspace: str, name: str) -> TopicVersion:
    """What holds under a name; NotFoundError when nothing does."""
    found = await text_topics.history(tx, workspace, name, limit=1)
    if not found or found[0].document is None:
        message = f"There is no topic {name!r} in this workspace."
        raise NotFoundError(message, details={"name": name})
    return found[0]


async def _version(tx: AsyncConnection, workspace: str, name: str, by: By) -> tuple[int, bool]:
    """The newest version, which is replaced, and whether it holds."""
    found = await text_topics.history(tx, workspace, name, limit=1)
    version = found[0].version if found else 0
    is_there = bool(found) and found[0].document is not None
    if by.version != version and (is_there or by.version != 0):
        message = f"The topic {name!r} is at version {version}, not {by.version}: look."
        raise ConflictError(message, details={"version": version})
    return version, is_there


async def score(
    tx: AsyncConnection, workspace: str, name: str, since: datetime, until: datetime
) -> TopicScore | None:
    """How people score who speak of a topic; None: too few anonymous people are among them."""
    await topic(tx, workspace, name)
    found = await text_lists.score(tx, workspace, name, since, until)
    return None if 0 < found.anonymous < FEWEST else found


async def hold(
    tx: AsyncConnection, workspace: str, model_id: UUID, *, active: bool, actor: str
) -> ModelVersion:
    """Let a model hold, or none of its language; texts are read again by a job."""
    found = await text_models.one(tx, workspace, model_id)
    if found is None:
        message = f"There is no model {str(model_id)!r} in this workspace."
        raise NotFoundError(message)
    if found.active == active:
        return found
    await text_models.hold(tx, workspace, found, told_by=actor, holds=active)
    await ask_reading(tx, workspace, f"model {found.language} {found.version}")
    told = await text_models.one(tx, workspace, model_id)
    return told or found
