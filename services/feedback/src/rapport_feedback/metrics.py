"""What feedback counts beside the metrics that every service has."""

from prometheus_client import Counter, Gauge, Histogram

from rapport_common.outside.delivering import Meters
from rapport_common.webhooks.worker import Gauges

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
OCCASIONS = Counter(
    "rapport_survey_occasions_total",
    "Occasions on which somebody was to be asked, by what they have become.",
    ["state"],
)
REPLIES = Counter(
    "rapport_feedback_replies_total",
    "Answers to mails: a case was opened, or went on, or had too many.",
    ["result"],
)
CASES = Counter(
    "rapport_case_steps_total", "Steps of complaint cases, by the new state.", ["state"]
)
ARRIVALS = Counter(
    "rapport_case_arrivals_total", "Cases that came in by form, mail or connector.", ["channel"]
)
MAILS = Counter(
    "rapport_complaint_mails_total",
    "Mails to addresses for complaints: opened, continued, again, automatic, loop, flood, "
    "too_many, unknown.",
    ["result"],
)
FILES = Counter("rapport_case_files_total", "Files of cases: kept or refused.", ["result"])
POSTS = Counter(
    "rapport_connector_posts_total",
    "Posts of connectors: opened, continued, again, too_many, unsigned.",
    ["result"],
)
ASSIGNED = Counter(
    "rapport_case_assignments_total",
    "Cases that got another agent: by word, pulled, pushed, or given back to nobody.",
    ["mode"],
)
WATCHED = Gauge("rapport_case_live_streams", "Views of cases that are watched in this process.")
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
WEBHOOK_POSTS = Counter(
    "rapport_feedback_webhook_posts_total",
    "Posts to webhooks about answers and cases, by what came of them.",
    ["outcome"],
)
POST_DURATION = Histogram(
    "rapport_feedback_webhook_post_duration_seconds",
    "Time until a receiver has answered, or is given up.",
    buckets=(0.005, 0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10, 15),
)
DELIVERIES = Gauge(
    "rapport_feedback_webhook_deliveries",
    "Posts to webhooks that wait, and those that were given up; looked at once a minute.",
    ["state"],
)
WEBHOOKS_OFF = Gauge(
    "rapport_feedback_webhooks_off",
    "Webhooks that were turned off as they took nothing for days; looked at once a minute.",
)
WEBHOOKS = Gauges(Meters(WEBHOOK_POSTS, POST_DURATION, DELIVERIES), WEBHOOKS_OFF)
"""What the worker of webhooks counts."""
