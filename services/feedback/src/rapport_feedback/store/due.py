"""What has a time in this service: the limits of cases, and when somebody may have one."""

from rapport_common.due.store import DueStore
from rapport_feedback.domain.cases import Clock

CLOCKS = {f"case_{clock}": clock for clock in Clock}
"""The kinds of rows; their keys are ids of cases."""

ASK, WAVE = "asking", "asking_wave"
"""The next occasions of a standing order, and the people of a segment; keys are ids of askings."""

KINDS = {clock: kind for kind, clock in CLOCKS.items()}

PUSH = "case_push"
"""A queue gives its cases to agents, now; the key is its name."""

AWAY = "case_away"
"""Somebody has been away for so long that cases of a queue come back; the key: `queue:agent`."""

DUE = DueStore("feedback")
