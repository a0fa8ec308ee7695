"""Changes one setting of a topic, and leaves its others as they are."""

from collections.abc import Sequence
from typing import Any, ClassVar

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import for_code
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Boolean, Int8, Int16, Int32, Schema, String
from typing_extensions import override

_SET, _DELETE = 0, 1
_OF_THE_TOPIC = 1
"""The source of a value that was set on the topic itself."""


class _Altered(Response):  # type: ignore[misc] # untyped
    API_KEY = 44
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "resources",
            Array(
                ("error_code", Int16),
                ("error_message", String("utf-8")),
                ("resource_type", Int8),
                ("resource_name", String("utf-8")),
            ),
        ),
    )


class _AlterStruct(RequestStruct):  # type: ignore[misc] # untyped
    API_KEY = 44
    API_VERSION = 0
    RESPONSE_TYPE = _Altered
    SCHEMA = Schema(
        (
            "resources",
            Array(
                ("resource_type", Int8),
                ("resource_name", String("utf-8")),
                (
                    "configs",
                    Array(
                        ("name", String("utf-8")),
                        ("operation", Int8),
                        ("value", String("utf-8")),
                    ),
                ),
            ),
        ),
        ("validate_only", Boolean),
    )


class _Alter(Request[_AlterStruct]):  # type: ignore[misc] # untyped
    """IncrementalAlterConfigs (KIP-339), which aiokafka has not: its own `alter_configs` takes back
    every setting of the topic that is not in the request.
    """

    API_KEY: ClassVar[int] = 44

    def __init__(self, resources: list[Any]) -> None:
        self._resources = resources

    @override
    def build(self, request_struct_class: type[_AlterStruct]) -> _AlterStruct:
        return request_struct_class(self._resources, False)


async def overrides(
    admin: AIOKafkaAdminClient, topics: Sequence[str], name: str
) -> dict[str, str | None]:
    """What these topics have set for `name`; None: nothing, the broker's value holds.

    KafkaError: a topic is not there, or may not be read.
    """
    asked = [ConfigResource(ConfigResourceType.TOPIC, one, {name: None}) for one in topics]
    found: dict[str, str | None] = {}
    for answer in await admin.describe_configs(asked):
        for code, message, _, topic, entries in answer.resources:
            _raise_for(code, topic, message)
            own = [value for _, value, _, source, *_ in entries if source == _OF_THE_TOPIC]
            found[topic] = own[0] if own else None
    return found


async def override_with(
    admin: AIOKafkaAdminClient, topics: Sequence[str], name: str, value: str | None
) -> None:
    """Set `name` on these topics, or (None) take it back. KafkaError: a topic is refused."""
    change = (name, _DELETE if value is None else _SET, value)
    resources = [(int(ConfigResourceType.TOPIC), one, [change]) for one in topics]
    answer = await admin._send_request(_Alter(resources))  # noqa: SLF001 - there is no other way
    for code, message, _, topic in answer.resources:
        _raise_for(code, topic, message)


def _raise_for(code: int, topic: str, message: str | None) -> None:
    if code:
        raise for_code(code)(f"topic {topic}: {message}")
