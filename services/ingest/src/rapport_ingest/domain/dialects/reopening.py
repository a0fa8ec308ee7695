"""What a replay does first with a kept body: make the event of it anew, by the rules of now."""

from collections.abc import Mapping

import msgspec

from rapport_ingest.domain.bridging import DIALECT as MQTT
from rapport_ingest.domain.bridging import Translator
from rapport_ingest.domain.dialects import cloudevents, webhook
from rapport_ingest.domain.dialects.originals import UnfitError
from rapport_ingest.domain.sender import Sender
from rapport_ingest.domain.source import Caller

NO_BRIDGE = "No bridge to this source is declared here any more."


class Reopener:
    """Makes events of kept bodies; `bridged` are the mappings of the bridges, by their source."""

    def __init__(self, bridged: Mapping[Caller, Translator] | None = None) -> None:
        self._bridged = bridged or {}

    def event(self, dialect: str, body: bytes, sender: Sender, message_id: str) -> bytes:
        """The event in Segment's shape; other dialects' bodies are that already.

        `message_id` is the one it was refused under. UnfitError says why there is still no event.
        """
        raw = msgspec.Raw(body)
        if dialect == webhook.Webhook.name:
            return bytes(webhook.reopen(raw, sender.policy, message_id))
        if dialect == cloudevents.CloudEvents.name:
            return bytes(cloudevents.reopen(raw))
        if dialect == MQTT:
            translator = self._bridged.get(sender.caller)
            if translator is None:
                raise UnfitError("no_mapping", "", NO_BRIDGE, message_id=message_id)
            return bytes(translator.event(raw, message_id))
        return body
