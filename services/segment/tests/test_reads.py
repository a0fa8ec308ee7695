"""What a rule reads is told, however deep in it it stands."""

from typing import Any

import pytest

from rapport_segment.domain.reads import reads_of
from rapport_segment.domain.rules import parse

ID = "0190a5b0-0000-7000-8000-000000000001"


@pytest.mark.parametrize(
    ("rule", "reads"),
    [
        ({"trait": "plan", "op": "eq", "value": "pro"}, ["trait:plan"]),
        ({"computed": "orders", "op": "gte", "value": 1}, ["computed:orders"]),
        ({"segment": ID}, [f"segment:{ID}"]),
        ({"list": ID}, [f"list:{ID}"]),
        (
            {"not": {"or": [{"trait": "a.gender", "op": "exists"}, {"segment": ID}]}},
            [f"segment:{ID}", "trait:a.gender"],
        ),
        (
            {
                "performed": "Order Completed",
                "where": [{"property": "for_gender", "op": "eq", "value": "f"}],
            },
            ["event:Order Completed", "trait:for_gender"],
        ),
        (
            {"group": "household", "where": [{"property": "religion", "op": "exists"}]},
            ["group:household", "trait:religion"],
        ),
    ],
)
def test_what_a_rule_reads(rule: dict[str, Any], reads: list[str]) -> None:
    assert reads_of(parse(rule)) == reads
