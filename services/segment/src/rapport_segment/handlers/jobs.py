"""What segment does beside records and requests: by kind of job, and when its time has come."""

from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.due.worker import Handler
from rapport_common.jobs.ending import PutAway
from rapport_common.jobs.worker import Work
from rapport_segment.handlers import audiences, building, uploading
from rapport_segment.handlers.audiences import Making, Scheduled
from rapport_segment.handlers.building import Building
from rapport_segment.handlers.passing import Passing
from rapport_segment.handlers.retelling import Retelling
from rapport_segment.handlers.rfm import Scoring
from rapport_segment.handlers.uploading import Uploading
from rapport_segment.store.jobs import AUDIENCE_FILE, BUILD, CLEAR, SCORE, UPLOAD


def works(engine: AsyncEngine, key: bytes) -> dict[str, Work]:
    """What is done by kind of job; by `key` identifiers on lists are known again."""
    files = Uploading(engine, key)
    return {
        AUDIENCE_FILE: Making(engine).work,
        BUILD: Building(engine).work,
        CLEAR: files.clear,
        SCORE: Scoring(engine).work,
        UPLOAD: files.work,
    }


def put_away() -> dict[str, PutAway]:
    """What becomes of what a job leaves that does not come to a good end, by kind.

    Of the others nothing is left: a list that is archived is emptied by retention, too, and scores
    that were not told are told by the next run.
    """
    return {
        AUDIENCE_FILE: audiences.put_away,
        BUILD: building.put_away,
        UPLOAD: uploading.put_away,
    }


def due_kinds(engine: AsyncEngine) -> dict[str, Handler]:
    """What is done when its time has come, by kind."""
    return {
        **Retelling().kinds,
        **Passing().kinds,
        **Scheduled().kinds,
        **Scoring(engine).kinds,
    }
