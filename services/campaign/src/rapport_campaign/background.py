"""What campaign does by itself, beside consumer, relay and jobs, in each process that works."""

from collections.abc import Sequence

from rapport_campaign.announcer import Announcer
from rapport_campaign.domains import Looker
from rapport_campaign.handlers.carrying import Carriers
from rapport_campaign.handlers.conducting import Conductor
from rapport_campaign.handlers.dispatch import Dispatcher
from rapport_campaign.handlers.inquiring import Inquirer
from rapport_campaign.handlers.mail_paces import Paces
from rapport_campaign.handlers.mail_pools import Pools
from rapport_campaign.handlers.providers import Keeper
from rapport_campaign.handlers.ranking import Ranker
from rapport_campaign.handlers.sender_domains import means_of
from rapport_campaign.handlers.upkeep import Upkeep
from rapport_campaign.intake import intakes
from rapport_campaign.renderer import Renderer
from rapport_campaign.sender import Sender
from rapport_campaign.settings import Settings
from rapport_common.composition import ServiceProcess
from rapport_common.outside.posting import Poster
from rapport_common.publisher import Publisher


def background(
    process: ServiceProcess,
    publisher: Publisher,
    lanes: Sequence[Renderer],
    carriers: Carriers,
    settings: Settings,
) -> None:
    """Add the workers; each of `lanes` renders for one lane of the sender, `carriers` carry for
    all. Who posts to webhooks has connections of its own: nobody waits for it.
    """
    engine = process.engine
    paces = Paces(settings.service_from)
    pools = Pools(settings.mail_pools(), settings.service_from)
    dispatcher = Dispatcher(publisher, settings.limits(), settings.restored_at, paces, pools)
    process.workers += [
        Sender(engine, dispatcher, lanes, carriers, settings),
        Keeper(engine, carriers),
        Inquirer(engine, carriers, publisher),
        Upkeep(engine),
        Looker(engine, means_of(settings)),
        Conductor(engine, settings.restored_at),
        Ranker(engine, settings.recommender_keys()),
        *intakes(engine, publisher, settings),
    ]
    poster = Poster(settings.own_networks())
    announcer = Announcer(process.pool("webhooks", 3), poster, settings.webhook_keys())
    process.watch(announcer, lambda: announcer.last_sign)
