"""What feedback counts beside the metrics that every service has."""

from prometheus_client import Counter, Gauge

PROFILES = Counter(
    "rapport_feedback_profiles_total", "Profiles that have got other identifiers, or have ended."
)
INVITATIONS = Counter(
    "rapport_survey_invitations_total", "Invitations asked for: new or repeated.", ["result"]
)
ANSWERS = Counter(
    "rapport_survey_answers_total",
    "Answers sent by customers: recorded, revised, unchanged, or refused.",
    ["result"],
)
REPLIES = Counter(
    "rapport_feedback_replies_total",
    "Answers to mails: a case was opened, or went on, or had too many.",
    ["result"],
)
CASES = Counter(
    "rapport_case_steps_total", "Steps of complaint cases, by the new state.", ["state"]
)
TEXTS = Counter(
    "rapport_feedback_texts_total", "Texts that were read, or could not be.", ["result"]
)
TEXTS_WAITING = Gauge("rapport_feedback_texts_waiting", "Texts that wait to be read.")
TEXTS_OLDEST = Gauge(
    "rapport_feedback_texts_oldest_seconds", "For how long the oldest new text has waited."
)
TEXT_SPIKES = Counter(
    "rapport_feedback_text_spikes_total", "Days on which there was more of a topic than by chance."
)
