"""Why something can't be done about a case now."""

from rapport_common.errors import AppError, ConflictError


class TooManyError(AppError):
    """A public form was used more often than a person would."""

    status = 429
    code = "too_many"


class ChangedError(ConflictError):
    """Somebody else has changed the case meanwhile; `details.changes` says who, and what."""

    code = "changed_meanwhile"


class MergedError(ConflictError):
    """The case was merged into another one, which goes on: `details.heir_id`."""

    code = "merged"
