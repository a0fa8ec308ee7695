"""What feedback does without being asked: what has a time, texts and posts that wait, long work."""

from rapport_common.composition import ServiceProcess
from rapport_common.outside.posting import Poster
from rapport_common.outside.sealing import Sealer
from rapport_common.publisher import Publisher
from rapport_common.webhooks.worker import WebhookSender
from rapport_feedback import metrics
from rapport_feedback.api import askers_of
from rapport_feedback.domain.webhook_keys import place_of
from rapport_feedback.handlers import spiking
from rapport_feedback.handlers.assigning import Assigning
from rapport_feedback.handlers.bulk import CHANGE, Bulk
from rapport_feedback.handlers.cases import Cases
from rapport_feedback.handlers.deadlines import Deadlines
from rapport_feedback.handlers.enriching import Enricher
from rapport_feedback.handlers.placing import PLACE
from rapport_feedback.handlers.placing_anew import PlacingAnew
from rapport_feedback.handlers.rewinding import JOBS, REWIND, Rewinding
from rapport_feedback.handlers.text_work import text_works
from rapport_feedback.settings import Settings
from rapport_feedback.store.webhooks import WEBHOOKS
from rapport_feedback.understanding.reader import Reader


def put_to_work(
    process: ServiceProcess, cases: Cases, publisher: Publisher, settings: Settings
) -> None:
    """Let a process do it, as far as its role has workers."""
    assigning = Assigning(cases)
    kinds = {**assigning.kinds, **askers_of(settings).kinds, **spiking.KINDS}
    process.due({**Deadlines(publisher).kinds, **kinds})
    enricher = Enricher(process.pool("texts", 1), Reader())
    process.watch(enricher, lambda: enricher.last_sign)
    sender = WebhookSender(
        process.pool("webhooks", 3),
        Poster(settings.own_networks()),
        WEBHOOKS,
        Sealer(settings.secret_keys(), place_of),
        gauges=metrics.WEBHOOKS,
    )
    process.watch(sender, lambda: sender.last_sign)
    works = {
        REWIND: Rewinding(process.engine, publisher, settings.service_levels()).work,
        PLACE: PlacingAnew(process.engine, cases).work,
        CHANGE: Bulk(process.engine, cases, assigning).work,
        **text_works(process.engine),
    }
    process.jobs(JOBS, works, read="feedback:read", write="feedback:write")
