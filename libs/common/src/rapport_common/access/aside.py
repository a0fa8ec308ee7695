"""What the consumer and the relay have put aside of somebody: the same parts in every service."""

from collections.abc import Iterable

from rapport_common.access.parts import LONG_PAGE, Choose, Part, Rows, Told, covered
from rapport_common.privacy.aside import keyed
from rapport_common.privacy.subject import Recogniser, Subject

_OURS = "(t.workspace = :workspace OR t.workspace IS NULL)"
_WORKSPACE = frozenset({"workspace"})


def aside_parts(schema: str, recogniser: Recogniser) -> list[Part]:
    """Dead letters, parked records and what Kafka refused, as far as they speak of the person."""
    choose = _about(recogniser)
    columns = {"topic": "t.topic", "reason": "t.reason", "record": "t.value", "key": "t.key"}
    parked = {**columns, "reason": "k.reason"}
    return [
        Rows(
            f"{schema}.dead_letter",
            "records about you that could not be read",
            f"{schema}.dead_letter t",
            {"id": "bigint"},
            columns,
            _OURS,
            _WORKSPACE,
            choose=choose,
            size=LONG_PAGE,
        ),
        Rows(
            f"{schema}.parked",
            "records about you that wait until they can be taken in",
            f"{schema}.parked t JOIN {schema}.parked_key k USING (grp, topic, partition, key)",
            {"grp": "text", "topic": "text", "partition": "int", '"offset"': "bigint"},
            parked,
            "(k.workspace = :workspace OR k.workspace IS NULL)",
            _WORKSPACE,
            choose=choose,
            size=LONG_PAGE,
        ),
        Rows(
            f"{schema}.outbox_refused",
            "records about you that could not be sent on",
            f"{schema}.outbox_refused t",
            {"id": "bigint"},
            columns,
            _OURS,
            _WORKSPACE,
            choose=choose,
            size=LONG_PAGE,
        ),
    ]


def _about(recogniser: Recogniser) -> Choose:
    def choose(row: Told, who: Subject) -> Iterable[Told]:
        key = row["key"]
        named = key is not None and bytes(key) in keyed(who)
        if named or recogniser.speaks_of(who, row["record"], row["reason"]):
            texts = {name: covered(recogniser, who, row[name]) for name in ("record", "reason")}
            yield {"topic": row["topic"], **texts}

    return choose
