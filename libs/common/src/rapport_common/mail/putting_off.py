"""A mail that is not taken now, though nothing is wrong with us."""


class TooManyMailsError(Exception):
    """There are too many of its sender, or at what it belongs to: nothing of it is kept.

    By SMTP its sender is told to try again later; in a mailbox it stays, for people to look at.
    """
