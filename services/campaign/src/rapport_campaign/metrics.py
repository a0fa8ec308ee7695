"""What campaign counts beside the metrics that every service has."""

from prometheus_client import Counter, Gauge, Histogram

from rapport_campaign.domain.model import STATES
from rapport_campaign.domain.outcomes import OUTCOMES as OUTCOME_KINDS
from rapport_common.events.contact import EMAIL_CHANNEL
from rapport_common.metrics import LATENCY_BUCKETS

MESSAGES = Counter(
    "rapport_messages_total",
    "Messages that came into a state; one message may pass several.",
    ["channel", "state"],
)
SUPPRESSED = Counter(
    "rapport_suppressed_total", "Messages that must not be sent, by reason.", ["reason"]
)
UNCERTAIN = Gauge(
    "rapport_messages_uncertain", "Messages of which nobody knows whether the server took them."
)
SMTP_DURATION = Histogram(
    "rapport_smtp_duration_seconds",
    "Time to hand one mail to the server, by what came of it.",
    ["result"],
    buckets=(*LATENCY_BUCKETS, 30, 60),
)
IN_FLIGHT = Gauge("rapport_sender_in_flight", "Mails claimed by this process and not finished.")
UNREACHABLE = Gauge("rapport_sender_unreachable", "1 while no mail server can be talked to.")
SERVER_MAILS = Counter(
    "rapport_mail_server_mails_total",
    "Mails that a mail server was given, by what came of it; released: it has nothing of them.",
    ["server", "result"],
)
SERVER_AWAY = Gauge(
    "rapport_mail_server_unreachable",
    "1 while a mail server can't be talked to; others may take its mails.",
    ["server"],
)
RENDER_DURATION = Histogram(
    "rapport_render_duration_seconds",
    "Time to render a batch of mails, links and MIME included.",
    buckets=LATENCY_BUCKETS,
)
SIGNED = Counter(
    "rapport_mails_signed_total",
    "Mails composed, by whether a verified domain of their workspace signed them.",
    ["signed"],
)
UNOPENED = Gauge(
    "rapport_sender_keys_unopened",
    "Keys of sender domains that no key of RAPPORT_SIGNING_KEYS opens: their mails go unsigned.",
)
SENDER_DOMAINS = Gauge(
    "rapport_sender_domains",
    "Domains that were verified: their record was not seen at the last look (missed), or is gone.",
    ["state"],
)
LOOKS = Counter(
    "rapport_sender_domain_looks_total",
    "Looks of our own at records of sender domains, by whether the domain's key was seen.",
    ["result"],
)
TRACKED = Counter(
    "rapport_tracked_total",
    "Opens, clicks, unsubscribes and words on the page of preferences that were recorded.",
    ["use"],
)

NOT_ASKED = Counter(
    "rapport_opt_ins_not_asked_total",
    "Yeses of pages that no mail asks to confirm: too many have in this hour.",
)

BROADCAST_RUNS = Gauge(
    "rapport_broadcast_runs", "Runs of broadcasts that have not ended, by their state.", ["state"]
)
BROADCAST_LATE = Gauge(
    "rapport_broadcast_late_seconds",
    "For so long the broadcast that is due longest has not been begun; 0 when none is.",
)
POOL_MAILS = Counter(
    "rapport_mail_pool_mails_total",
    "Mails that a pool of mail servers was given, by what came of it.",
    ["pool", "result"],
)
POOL_AWAY = Gauge(
    "rapport_mail_pool_unreachable",
    "1 while none of a pool's mail servers can be talked to: its mails wait, and no others.",
    ["pool"],
)
PACED = Counter(
    "rapport_mails_paced_total",
    "Times a mail had to wait: for the pace of where it goes (to), for a warm-up (from).",
    ["lane"],
)
PACES_SLOWED = Counter(
    "rapport_mail_paces_slowed_total", "Times a pace was halved after a server's `too many`."
)
COUPONS_LOW = Gauge(
    "rapport_coupon_pools_low",
    "Coupon pools of all workspaces in which no more codes are left than they say is low.",
)
OUTCOMES = Counter(
    "rapport_outcomes_total",
    "What became of messages after they were handed over, by how bad it is or whose act it was.",
    ["kind", "class"],
)
RETURNED = Counter(
    "rapport_returned_mails_total",
    "Mails that came back, by where from and whether they were about a message of ours.",
    ["source", "result"],
)
POSTS = Counter(
    "rapport_campaign_webhook_posts_total",
    "Posts to webhooks about messages, by what came of them.",
    ["outcome"],
)
POST_DURATION = Histogram(
    "rapport_campaign_webhook_post_duration_seconds",
    "Time until a receiver has answered, or is given up.",
    buckets=(0.005, 0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10, 15),
)
DELIVERIES = Gauge(
    "rapport_campaign_webhook_deliveries",
    "Posts to webhooks that wait, and those that were given up; looked at once a minute.",
    ["state"],
)
WEBHOOKS_OFF = Gauge(
    "rapport_campaign_webhooks_off",
    "Webhooks that were turned off as they took nothing for days; looked at once a minute.",
)
PRODUCT_EVENTS = Counter(
    "rapport_product_events_total", "Events that speak of products, kept once each.", ["kind"]
)
RECOMMENDED = Counter(
    "rapport_recommended_total", "Products recommended in messages, by why.", ["reason"]
)
RANKING_DURATION = Histogram(
    "rapport_recommendation_ranking_seconds",
    "Time to work out what is bought most and together in a workspace.",
    buckets=(*LATENCY_BUCKETS, 30, 60),
)
RECOMMENDER_ANSWERS = Counter(
    "rapport_recommender_answers_total",
    "Questions to recommenders of workspaces, by what came of them.",
    ["result"],
)
OFFER_PRICES = Counter(
    "rapport_offer_prices_total",
    "Prices that were said, by offer and rule (empty: the list price); rare ones are other.",
    ["offer", "rule"],
)
OFFER_CLAMPS = Counter(
    "rapport_offer_clamps_total",
    "Prices that a guard rail has changed, by offer and rule.",
    ["offer", "rule"],
)
FEEDS = Counter(
    "rapport_feed_answers_total",
    "Times a data feed was asked, by the feed (of so many, the rest are `other`) and what came.",
    ["feed", "result"],
)
FEED_DURATION = Histogram(
    "rapport_feed_duration_seconds",
    "Time until a data feed has answered, or is given up.",
    buckets=(0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
FEED_ENDS = Counter(
    "rapport_feed_messages_total",
    "Messages that show data feeds: with answers, with fall-backs, waiting, or without an answer.",
    ["end"],
)
MOST_FEEDS = 50
_feeds: set[str] = set()

for _kind in ("viewed", "ordered", "returned"):
    PRODUCT_EVENTS.labels(_kind)


def feed_asked(workspace: str, name: str, result: str, seconds: float) -> None:
    """Count a question to a feed; of so many feeds, the first of this process, by their names."""
    feed = f"{workspace}/{name}"
    if len(_feeds) < MOST_FEEDS:
        _feeds.add(feed)
    FEEDS.labels(feed if feed in _feeds else "other", result).inc()
    FEED_DURATION.observe(seconds)


for _end in ("answered", "fallback", "waiting", "lost"):
    FEED_ENDS.labels(_end)
for _lane in ("to", "from"):
    PACED.labels(_lane)
for _run in ("planning", "sending", "paused"):
    BROADCAST_RUNS.labels(_run)
for _state in STATES:
    MESSAGES.labels(EMAIL_CHANNEL, _state)
for _signed in ("yes", "no"):
    SIGNED.labels(_signed)
for _use in ("open", "click", "unsubscribe", "preferences", "opt_in"):
    TRACKED.labels(_use)
for _kind in OUTCOME_KINDS:
    OUTCOMES.labels(_kind, "")
for _result in ("known", "unknown"):
    for _source in ("smtp", "mailbox", "webhook"):
        RETURNED.labels(_source, _result)
