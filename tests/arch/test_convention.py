"""docs/api.md, held over the five OpenAPI documents."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, NamedTuple

import jsonschema_rs
import pytest
from fastapi.routing import APIRoute
from httpx import ASGITransport, AsyncClient
from tests.support.documents import api_of, document_of

from rapport_common.events.topics import SERVICES
from rapport_common.routes import LateRoute
from rapport_common.testing.credentials import mint

OPEN = {"/healthz", "/readyz"}
TOKEN = "operator token"

# What answers one thing though its address has no id at its end.
ONE = {
    "/v1/brand": "the workspace's one",
    "/v1/policy": "the workspace's one",
    "/v1/segments/schema": "one document: the JSON Schema of rules",
    "/v1/segments/{segment_id}/sizes": "one history, a number for each day",
    "/v1/segments/{segment_id}/versions/{version}/diff": "one comparison",
    "/v1/ledger": "the installation's one",
    "/v1/rfm": "one document, kept and given as a whole",
    "/v1/stats": "the workspace's one",
    "/v1/profiles": "asks for the one person who has an identifier; 404 when nobody has",
    "/v1/sources/{source}/counts": "one sum, with its days",
    "/v1/sources/{source}/plan": "one document, kept and given as a whole",
    "/v1/merge-rules": "one document, kept and given as a whole",
    "/v1/topics": "one document, kept and given as a whole",
    "/v1/contact-policy": "one document, kept and given as a whole",
    "/v1/surveys/{survey_id}/follow-ups": "one document, kept and given as a whole",
    "/v1/surveys/{survey_id}/why-not": "one explanation",
    "/v1/contact-rules": "one document, kept and given as a whole",
    "/v1/mail-paces": "one document, kept and given as a whole",
    "/v1/feed-hosts": "one document, kept and given as a whole",
    "/v1/price-guards": "one document, kept and given as a whole",
    "/v1/messages/{message_id}/prices": "what one message says",
    "/v1/messages/{message_id}/recommendations": "what one message says",
    "/v1/mail-pools": "one document, kept and given as a whole",
    "/v1/mail-paces/standing": "one document: how the paces stand, of which there are few",
    "/v1/messages/{message_id}/why": "one explanation",
    "/v1/people/{profile_id}/why": "one explanation",
    "/v1/people/{profile_id}/recommendations": "one slot, filled",
    "/v1/recommender": "the workspace's one",
    "/v1/group-rules": "one document, kept and given as a whole",
    "/v1/groups/lookup": "asks for the one group of a kind with a key; 404 for none",
    "/v1/loyalty/programme": "one document, kept and given as a whole",
    "/v1/profiles/{profile_id}/loyalty": "how one person stands",
    "/v1/privacy/keys": "one document: a JWKS",
    "/v1/quality": "the workspace's one",
    "/v1/retention-rules": "one document, kept and given as a whole",
    "/v1/timeline-rules": "one document, kept and given as a whole",
    "/v1/consent-rules": "one document, kept and given as a whole",
    "/v1/trait-rules": "one document, kept and given as a whole",
    "/v1/imports/{job_id}/file": "the one file of an import",
    "/v1/surveys/{survey_id}/score": "one score",
    "/v1/surveys/{survey_id}/weighted": "one score",
    "/v1/surveys/{survey_id}/drivers": "one computation",
    "/v1/calendars/{name}/due": "one instant",
    "/v1/cases/{case_id}/arrival": "how one case came in",
    "/v1/cases/{case_id}/cause": "why one case came to be",
    "/v1/corrective-actions/{action_id}/effect": "one comparison",
    "/v1/text-topics/{name}/score": "one score",
    "/v1/surveys/{survey_id}/trend": "one trend, of few waves",
    "/v1/profiles/{profile_id}/why": "one explanation",
    "/v1/profiles/{profile_id}/consents/why": "one explanation",
}
STREAMS = {
    "/v1/cases/live": "server-sent events",
    "/v1/sources/{source}/live": "server-sent events",
    "/v1/segments/{segment_id}/export": "a file, which is made while it is sent",
    "/v1/audiences/{audience_id}/file": "a file, which is read while it is sent",
    "/v1/profiles/export": "a file, which is made while it is sent",
    "/v1/cases/{case_id}/attachments/{attachment_id}/file": "a file, read while it is sent",
    "/v1/surveys/{survey_id}/trend/page": "a page for a browser",
    "/v1/suppressions/export": "a file, which is made while it is sent",
    "/v1/tasks/export": "a file, which is made while it is sent",
    "/v1/privacy/access/{access_id}/file": "a file, which is opened while it is sent",
}
# What lists things that have no id of their own, and what they are known by.
KEYED = {
    "/v1/calendars": "name",
    "/v1/calendars/{name}/history": "version",
    "/v1/case-policies": "name",
    "/v1/case-policies/{name}/history": "version",
    "/v1/case-policy-library": "name",
    "/v1/answer-templates": "name",
    "/v1/case-macros": "name",
    "/v1/case-reasons": "name",
    "/v1/case-causes": "name",
    "/v1/goodwill-limits": "name",
    "/v1/goodwill-totals": "reason, kind and currency",
    "/v1/complaint-addresses": "address",
    "/v1/connectors": "name",
    "/v1/connector-library": "name",
    "/v1/teams": "name",
    "/v1/queues": "name",
    "/v1/case-views": "name",
    "/v1/cases/{case_id}/links": "kind and the other case",
    "/v1/cases/bulk/{job_id}/verdicts": "place",
    "/v1/catalogue": "source, type and name",
    "/v1/computed-traits": "name",
    "/v1/computed-traits/{name}/history": "version",
    "/v1/traits": "name",
    "/v1/sender-domains": "domain",
    "/v1/vendors": "name",
    "/v1/snippets": "name",
    "/v1/snippets/{name}/versions": "version",
    "/v1/templates/{template_id}/versions": "version",
    "/v1/surveys/{survey_id}/versions": "version",
    "/v1/text-topics": "name",
    "/v1/text-topics/{name}/history": "version",
    "/v1/text-topics/{name}/spikes": "day",
    "/v1/coupon-pools": "name",
    "/v1/feeds": "name",
    "/v1/products": "sku",
    "/v1/recommendations": "slot",
    "/v1/offers": "name",
    "/v1/offers/{name}/history": "version",
    "/v1/price-guards/history": "version",
    "/v1/outcomes": "the send key, kind and mark",
    "/v1/violations": "the event, the path and the rule",
    "/v1/quarantine/summary": "source, code and path",
    "/v1/quarantine/balance": "source",
    "/v1/positions": "topic and partition",
    "/v1/due": "kind and key",
    "/v1/parked/{key_id}/records": "offset",
    "/v1/segments/{segment_id}/versions": "version",
    "/v1/lists/{list_id}/members": "kind and value",
    "/v1/lists/{list_id}/uploads/{job_id}/refused": "line",
    "/v1/merge-rules/history": "version",
    "/v1/topics/history": "version",
    "/v1/contact-policy/history": "version",
    "/v1/askings/{asking_id}/occasions": "the occasion, of one asking",
    "/v1/contact-rules/history": "version",
    "/v1/mail-paces/history": "version",
    "/v1/mail-pools/history": "version",
    "/v1/suppressions": "address and channel",
    "/v1/suppressions/imports/{job_id}/refused": "line",
    "/v1/group-rules/history": "version",
    "/v1/groups/{group_id}/members": "the profile",
    "/v1/loyalty/programme/history": "version",
    "/v1/retention-rules/history": "version",
    "/v1/retention-rules/gone": "day and class",
    "/v1/timeline-rules/history": "version",
    "/v1/consent-rules/history": "version",
    "/v1/trait-rules/history": "version",
    "/v1/campaigns/{campaign_id}/messages": "the send key",
    "/v1/broadcasts/{broadcast_id}/dry-runs/{job_id}/people": "the profile",
    "/v1/profiles/{profile_id}/identifiers": "kind and value",
    "/v1/profiles/{profile_id}/groups": "the group",
    "/v1/profiles/{profile_id}/traits": "name",
    "/v1/profiles/{profile_id}/readings": "the trait's name",
    "/v1/profiles/{profile_id}/scores": "name",
    "/v1/profiles/{profile_id}/trait-history": "source and message id of the event",
    "/v1/profiles/{profile_id}/consents": "contact point, channel and purpose",
    "/v1/profiles/{profile_id}/consents/words": "source and message id",
    "/v1/profiles/{profile_id}/links": "the identifiers and the event",
    "/v1/profiles/{profile_id}/timeline": "events as they came: source and message id",
}
# What shows the one thing an address names by something else than `id`.
NAMED = {
    "/v1/events/{message_id}": "an event is known by its message id",
    "/v1/catalogue/{source}/{kind}": "source, type and name",
    "/v1/sender-domains/{domain}": "a domain is known by its name",
    "/v1/computed-traits/{name}": "a computed trait is known by its name",
    "/v1/calendars/{name}": "a calendar is known by its name",
    "/v1/case-policies/{name}": "a policy is known by its name",
    "/v1/answer-templates/{name}": "macros name a template",
    "/v1/case-macros/{name}": "a macro is known by its name",
    "/v1/case-reasons/{name}": "cases name a reason",
    "/v1/case-causes/{name}": "cases name a cause",
    "/v1/goodwill-limits/{name}": "a limit is known by its name",
    "/v1/connectors/{name}": "its name is in its address",
    "/v1/teams/{name}": "a team is known by its name",
    "/v1/queues/{name}": "a queue is known by its name",
    "/v1/case-views/{name}": "a view is known by its name",
    "/v1/text-topics/{name}": "a topic is known by its name",
    "/v1/snippets/{name}": "templates call a snippet by its name",
    "/v1/products/{sku}": "events name a product by its sku",
    "/v1/recommendations/{slot}": "templates name a slot",
    "/v1/offers/{name}": "templates call an offer by its name",
    "/v1/coupon-pools/{name}": "messages say why there was no coupon by the pool's name",
    "/v1/feeds/{name}": "templates show a feed by its name",
}
# What can be asked for after an event of one's own, which `after` names, has been applied.
OWN_EVENT = {
    "/v1/profiles",
    "/v1/profiles/{profile_id}",
    "/v1/profiles/{profile_id}/consents",
    "/v1/profiles/{profile_id}/timeline",
}
# What can be asked for as it was at one instant, which is no span.
INSTANT = {
    "/v1/calendars/{name}/due": {"at"},
    "/v1/profiles/{profile_id}/consents": {"as_of"},
    "/v1/profiles/{profile_id}/consents/why": {"as_of"},
    "/v1/segments/{segment_id}/members": {"as_of"},
    "/v1/segments/{segment_id}/members/{profile_id}": {"as_of"},
}
# What replaces a whole: PUT is right where there is nothing to be left out.
WHOLE = {
    "/v1/agents/{agent}",
    "/v1/teams/{name}",
    "/v1/queues/{name}",
    "/v1/case-views/{name}",
    "/v1/cases/{case_id}/presence",
    "/v1/calendars/{name}",
    "/v1/case-policies/{name}",
    "/v1/answer-templates/{name}",
    "/v1/case-macros/{name}",
    "/v1/case-reasons/{name}",
    "/v1/case-causes/{name}",
    "/v1/goodwill-limits/{name}",
    "/v1/connectors/{name}",
    "/v1/complaint-addresses/{address}",
    "/v1/cases/{case_id}/cause",
    "/v1/text-topics/{name}",
    "/v1/brand",
    "/v1/surveys/{survey_id}/form",
    "/v1/surveys/{survey_id}/follow-ups",
    "/v1/contact-policy",
    "/v1/computed-traits/{name}",
    "/v1/group-rules",
    "/v1/loyalty/programme",
    "/v1/merge-rules",
    "/v1/retention-rules",
    "/v1/timeline-rules",
    "/v1/consent-rules",
    "/v1/trait-rules",
    "/v1/topics",
    "/v1/contact-rules",
    "/v1/mail-paces",
    "/v1/feeds/{name}",
    "/v1/feed-hosts",
    "/v1/offers/{name}",
    "/v1/price-guards",
    "/v1/mail-pools",
    "/v1/products/{sku}",
    "/v1/recommendations/{slot}",
    "/v1/recommender",
    "/v1/sources/{source}/plan",
    "/v1/imports/{job_id}/file",
    "/v1/rfm",
}
# POSTs that make something and need no key, because a repeat makes no second one.
SAFE_AGAIN = {
    "/v1/sources": "a name is taken once (409 with the id)",
    "/v1/sources/{source}/keys": "at most two keys live at a time (409)",
    "/v1/groups": "a kind and key is taken once (409 with the id)",
    "/v1/segments": "a name is taken once (409 with the id)",
    "/v1/lists": "a name is taken once (409 with the id)",
    "/v1/lists/{list_id}/members/add": "what is on a list is on it once",
    "/v1/lists/{list_id}/members/remove": "what is off a list is off it",
    "/v1/lists/{list_id}/uploads": "what is on a list is on it once",
    "/v1/rfm/run": "the newest job overtakes the one before",
    "/v1/rfm/adopt": "a name is taken once: each tier has one segment of it",
    "/v1/segments/library/adopt": "a name is taken once: what has it stays as it is",
    "/v1/segments/{segment_id}/rebuild": "the newest build overtakes the one before",
    "/v1/audiences": "a name is taken once (409 with the id)",
    "/v1/audiences/{audience_id}/build": "a file that is being made is made to its end",
    "/v1/webhooks": "an address is taken once (409 with the id)",
    "/v1/segments/{segment_id}/rollback": "the rule that it has already makes no version",
    "/v1/tasks/claim": "what is lost is free again when its lease ends",
    "/v1/cases/{case_id}/attachments": "a case has the same content once",
    "/v1/tasks/{task_id}/done": "told again it is as it was",
    "/v1/contact-points/clear": "the newest word counts: the same one again changes nothing",
    "/v1/sender-domains": "a workspace has a domain once (409 with it)",
    "/v1/provider-accounts": "a name is taken once (409 with the id)",
    "/v1/inbox-tokens": "a token is kept nowhere",
    "/v1/snippets": "a name is taken once (409)",
    "/v1/coupon-pools": "a name is taken once (409)",
    "/v1/coupon-pools/{name}/imports": "a code is in a pool once",
    "/v1/suppressions/imports": "an address is on the list once",
    "/v1/broadcasts/{broadcast_id}/again": "its newest run has not ended then (409)",
    "/v1/uncertain/settle": "what is settled is uncertain no more",
    "/v1/surveys/{survey_id}/invitations": "a person has one link to a wave",
    "/v1/texts/enrich": "what waits to be read waits once",
    "/v1/surveys/{survey_id}/links": "a wave has one link for each context",
    "/v1/surveys/{survey_id}/qr": "a wave has one link for each context",
}
# Whose errors have a form of their own: their SDKs decide by it what is sent again.
ERRORS = dict.fromkeys(("/2/httpapi", "/batch"), "AmplitudeProblem")
# The domain's own words for times.
TIME = re.compile(r"(?:_at|^at|^timestamp)$")
REFERENCES = {
    "asking",
    "decision",
    "job",
    "segment",
    "campaign",
    "profile",
    "survey",
    "case",
    "entry",
    "invitation",
    "group",
}


class Operation(NamedTuple):
    """One operation of a document."""

    document: dict[str, Any]
    method: str
    path: str
    told: dict[str, Any]

    @property
    def place(self) -> str:
        return f"{self.method} {self.path}"

    def query(self) -> dict[str, dict[str, Any]]:
        given = self.told.get("parameters", ())
        return {one["name"]: one["schema"] for one in given if one["in"] == "query"}

    def headers(self) -> set[str]:
        return {one["name"] for one in self.told.get("parameters", ()) if one["in"] == "header"}

    def answer(self) -> tuple[str, dict[str, Any]]:
        """The status of success, and the schema of its body."""
        [(status, told)] = [
            (status, told) for status, told in self.told["responses"].items() if status[0] == "2"
        ]
        schema = told.get("content", {}).get("application/json", {}).get("schema", {})
        return status, self.resolved(schema)

    def resolved(self, schema: dict[str, Any]) -> dict[str, Any]:
        for choice in schema.get("anyOf", ()):
            if choice != {"type": "null"}:
                return self.resolved(choice)
        name = schema.get("$ref", "").rpartition("/")[2]
        return self.document["components"]["schemas"][name] if name else schema


def everything(service: str) -> Iterator[Operation]:
    document = document_of(service)
    for path, methods in document["paths"].items():
        for method, told in methods.items():
            yield Operation(document, method.upper(), path, told)


def operators(service: str) -> list[Operation]:
    """The operations of a service that take an operator's token."""
    return [
        one
        for one in everything(service)
        if any(TOKEN in scheme for scheme in one.told.get("security", ()))
    ]


def each(check: Callable[[Operation], None]) -> Callable[[str], None]:
    """A test for each service, which shows all operations that the check finds wrong.

    Not a test for each operation: the documents would be made to name the tests, in every worker.
    """

    def of_service(service: str) -> None:
        wrong = []
        for one in operators(service):
            try:
                check(one)
            except AssertionError as error:
                wrong.append(f"{one.place}: {error}")
        assert not wrong, "\n".join(wrong)

    return pytest.mark.parametrize("service", SERVICES)(of_service)


def is_single(path: str) -> bool:
    return path.endswith("}") or path in ONE


@each
def test_an_answer_is_described(one: Operation) -> None:
    status, schema = one.answer()
    if status != "204" and one.path not in STREAMS:
        assert schema.get("properties"), f"{one.place}: its answer has no schema"


@each
def test_what_gives_many_gives_pages(one: Operation) -> None:
    if one.method != "GET" or is_single(one.path) or one.path in STREAMS:
        assert "cursor" not in one.query(), one.place
        return
    _, schema = one.answer()
    assert {"items", "next"} <= schema["properties"].keys(), one.place
    assert {"limit", "cursor"} <= one.query().keys(), one.place
    assert "maximum" in one.query()["limit"], one.place
    items = one.resolved(schema["properties"]["items"]["items"])
    assert "id" in items.get("properties", {}) or one.path in KEYED, one.place


@each
def test_a_thing_has_an_id_and_names_others_by_theirs(one: Operation) -> None:
    status, schema = one.answer()
    shown = schema.get("properties", {})
    if one.method == "GET" and one.path.endswith("}") and one.path not in NAMED:
        assert "id" in shown, one.place
    for name in shown:
        assert name not in REFERENCES, f"{one.place}: {name} is told as {name}_id"
    own = re.search(r"/v1/(\w+)s/\{\1_id\}", one.path)
    if own and status != "204" and one.path.endswith("}"):
        assert f"{own[1]}_id" not in shown, one.place


def times(schema: Any, name: str = "") -> Iterator[str]:
    """The names under which a schema has instants."""
    if isinstance(schema, list):
        for part in schema:
            yield from times(part, name)
    if isinstance(schema, dict):
        if schema.get("format") == "date-time":
            yield name
        for key, part in schema.items():
            if key == "properties":
                for field, told in part.items():
                    yield from times(told, field)
            elif key in {"anyOf", "allOf", "oneOf", "items"}:
                yield from times(part, name)


@pytest.mark.parametrize("service", SERVICES)
def test_times_have_names_of_times(service: str) -> None:
    document = document_of(service)
    asked = {
        field
        for name, schema in document["components"]["schemas"].items()
        for field in times(schema)
        if not TIME.search(field) and field not in {"since", "until"}
    }
    assert asked == set()


@pytest.mark.parametrize("service", SERVICES)
def test_since_and_until_are_only_asked_for(service: str) -> None:
    for one in everything(service):
        if one.path.startswith("/v1/") and one.told.get("responses"):
            for status, told in one.told["responses"].items():
                schema = told.get("content", {}).get("application/json", {}).get("schema", {})
                shown = one.resolved(schema).get("properties", {})
                assert not {"since", "until", "before", "after"} & shown.keys(), (one.place, status)


@each
def test_filters_by_time_are_since_and_until(one: Operation) -> None:
    for name, schema in one.query().items():
        if "date-time" in str(schema):
            assert name in {"since", "until"} | INSTANT.get(one.path, set()), (one.place, name)
    # A message id of one's own is no time.
    asked = one.query().keys() - ({"after"} if one.path in OWN_EVENT else set())
    assert not {"before", "after"} & asked, one.place


@each
def test_methods_mean_what_they_say(one: Operation) -> None:
    status, _ = one.answer()
    if one.method == "DELETE":
        assert status == "204", one.place
    if one.method == "PUT":
        assert one.path in WHOLE, f"{one.place}: a change of some fields is PATCH"
    if one.method == "GET":
        assert status == "200", one.place
    assert one.path == one.path.lower(), one.place
    assert not one.path.endswith("/"), one.place


@each
def test_what_makes_something_can_be_sent_again(one: Operation) -> None:
    status, _ = one.answer()
    makes = one.method == "POST" and status in {"201", "202"}
    has_key = "Idempotency-Key" in one.headers()
    assert has_key == (makes and one.path not in SAFE_AGAIN), one.place


@pytest.mark.parametrize("service", SERVICES)
def test_every_operation_says_which_credential_it_needs(service: str) -> None:
    schemes = document_of(service)["components"]["securitySchemes"]
    assert schemes[TOKEN]["scheme"] == "bearer"
    for one in everything(service):
        needed = one.path.startswith("/v1/") or one.told.get("security")
        if needed and "sdk" not in one.told.get("tags", ()):
            assert one.told.get("security"), one.place
            assert {name for each in one.told["security"] for name in each} <= schemes.keys()
        else:
            assert one.path in OPEN or not one.told.get("security"), one.place


@pytest.mark.parametrize("service", SERVICES)
def test_examples_are_what_the_schemas_take(service: str) -> None:
    wrong = []
    for one in everything(service):
        content = one.told.get("requestBody", {}).get("content", {}).get("application/json")
        if content is None:
            continue
        assert "example" in content or "examples" in content, one.place
        schema = {**content["schema"], "components": one.document["components"]}
        if "example" in content and not jsonschema_rs.is_valid(schema, content["example"]):
            wrong.append((one.place, content["example"]))
    assert not wrong


@pytest.mark.parametrize("service", SERVICES)
def test_every_operation_shows_an_example_of_what_goes_in_and_what_comes_out(service: str) -> None:
    """Of each parameter, and of each answer that is JSON: one that its schema takes."""
    wrong = []
    for one in everything(service):
        for parameter in one.told.get("parameters", ()):
            assert {"example", "examples"} & parameter.keys(), (one.place, parameter["name"])
        for status, told in one.told["responses"].items():
            content = told.get("content", {}).get("application/json")
            if content is None or not status.startswith("2"):
                continue
            assert {"example", "examples"} & content.keys(), one.place
            schema = {**content.get("schema", {}), "components": one.document["components"]}
            if "example" in content and not jsonschema_rs.is_valid(schema, content["example"]):
                wrong.append((one.place, content["example"]))
    assert not wrong


@pytest.mark.parametrize("service", SERVICES)
def test_operations_have_a_name_and_errors_one_form(service: str) -> None:
    ids = [one.told["operationId"] for one in everything(service)]
    assert len(ids) == len(set(ids))
    for one in everything(service):
        assert one.told.get("summary"), one.place
        problem = one.told["responses"].get("default") or one.told["responses"].get("4XX")
        assert f"/schemas/{ERRORS.get(one.path, 'Problem')}'" in str(problem), one.place


# Their parameters have a form of their own, which is looked at before who calls.
FILLED = {
    "key_id": "7",
    "row_id": "7",
    "dead_letter_id": "7",
    "id": "7",
    "survey_id": "00000000-0000-4000-8000-000000000000",
    "template_id": "00000000-0000-4000-8000-000000000000",
}


@pytest.mark.parametrize("service", SERVICES)
async def test_a_parameter_that_there_is_not_is_refused(service: str) -> None:
    """Before anything is looked up; the answer says which there are."""
    token = mint("acme", "ann", ["*"], timedelta(minutes=5), installation=True)
    api = ASGITransport(api_of(service), raise_app_exceptions=False)
    async with AsyncClient(
        transport=api, base_url="http://test", headers={"Authorization": f"Bearer {token}"}
    ) as client:
        for one in operators(service):
            path = re.sub(r"{(\w+)(?::\w+)?}", lambda it: FILLED.get(it[1], "x"), one.path)
            answer = await client.request(one.method, path, params={"limt": "5"}, json={})
            told = answer.json()
            assert (answer.status_code, told["code"]) == (422, "invalid_request"), one.place
            assert told["details"].get("known") == sorted(one.query()), (one.place, told)
            assert told["message"].startswith("query.limt: "), one.place


def test_exceptions_are_of_operations_that_there_are() -> None:
    paths = {one.path for service in SERVICES for one in operators(service)}
    assert {*ONE, *STREAMS, *KEYED, *NAMED, *WHOLE, *SAFE_AGAIN, *OWN_EVENT} <= paths


def test_addresses_of_sdks_are_shown() -> None:
    paths = document_of("ingest")["paths"]
    for one in ("/v1/batch", "/v1/track", "/batch", "/i", "/v1/cloudevents", "/v1/pixel.gif"):
        assert one in paths


@pytest.mark.parametrize("service", SERVICES)
def test_routes_are_made_when_they_are_first_asked_for(service: str) -> None:
    ours = [one for one in api_of(service).routes if isinstance(one, APIRoute)]
    at_once = {one.path for one in ours if not isinstance(one, LateRoute)}
    others = {one for one in at_once - OPEN if not one.startswith(("/docs", "/openapi"))}
    assert not others, "a rapport_common.routes.Router makes them late"
    assert len(ours) > 3 * len(at_once)
