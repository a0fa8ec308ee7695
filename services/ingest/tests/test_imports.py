"""Imports on a whole ingest: uploaded, from a folder and from S3, interrupted and resumed."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from moto.server import ThreadedMotoServer
from pyarrow import fs
from pydantic import SecretStr
from services.ingest.tests.driving import names, stored
from sqlalchemy import text

from rapport_common.errors import InvalidRequestError
from rapport_common.jobs import worker
from rapport_ingest import spool
from rapport_ingest.handlers import uploads
from rapport_ingest.handlers.places import Source, granted, open_path
from rapport_ingest.handlers.uploads import UPLOAD_AGE

pytestmark = pytest.mark.integration

NOWHERE = "127.0.0.1:1"
Log = Callable[[str], Awaitable[list[dict[str, Any]]]]
IDENTIFY = {"type": "identify", "fields": {"userId": "id", "traits.email": "mail"}}


@pytest.fixture
async def imports(start: Any, tmp_path: Path) -> Any:
    """An ingest of its own, since its jobs are run here, with a data folder of its own."""
    ingest = await start(data_folder=tmp_path / "data", import_rows_per_second=10**6)
    grant(ingest, str(tmp_path / "inbox"))
    return ingest


def grant(ingest: Any, *places: str, workspace: str | None = None) -> None:
    """Let a workspace (the ingest's own) import from places, as the operator's setting does."""
    ingest.parts.settings.import_places[workspace or ingest.workspace] = places


async def make(ingest: Any, name: str = "a.csv", **spec: Any) -> dict[str, Any]:
    body = {"source": ingest.source, "name": name, "mapping": IDENTIFY, **spec}
    body = {key: value for key, value in body.items() if value is not None}
    answer = await ingest.client.post(
        "/v1/imports", json=body, headers=ingest.token("imports:write")
    )
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def put(ingest: Any, job: str, data: Any, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    answer: httpx.Response = await ingest.client.put(
        f"/v1/imports/{job}/file",
        content=data,
        headers={**ingest.token("imports:write"), **named},
    )
    return answer


async def finished(ingest: Any, job: str) -> dict[str, Any]:
    """The job after its turn."""
    assert await ingest.process.jobs.turn(asyncio.Event())
    shown: dict[str, Any] = await ingest.get(f"/v1/jobs/{job}", "events:read")
    return shown


async def imported(ingest: Any, data: bytes, name: str = "a.csv", **spec: Any) -> dict[str, Any]:
    job = (await make(ingest, name, **spec))["id"]
    answer = await put(ingest, job, data)
    assert answer.status_code == 200, answer.text
    assert answer.json()["state"] == "queued"
    return await finished(ingest, job)


async def test_rows_become_events_and_bad_ones_are_kept_with_their_number(
    imports: Any, log_of: Log
) -> None:
    data = b"id,mail\n1,a@x.example\n2\n,\n4,d@x.example\n"
    spec = {"party": "third", "provider": "Acme", "legal_basis": "consent"}
    job = await imported(imports, data, **spec)
    assert (job["state"], job["done"], job["accepted"], job["rejected"]) == ("done", 4, 2, 2)
    assert job["report"]["codes"] == {"invalid_row": 1, "no_identifier": 1}
    assert [one["row"] for one in job["report"]["errors"]] == [2, 3]
    assert job["progress"]["total_bytes"] == len(data)
    events = await log_of(imports.workspace)
    assert sorted(names(one)["user_id"] for one in events) == ["1", "4"]
    assert {one["provenance"]["party"] for one in events} == {"third"}
    kept = (await imports.get("/v1/quarantine", "events:read"))["items"]
    assert sorted(one["message"].partition(":")[0] for one in kept) == ["row 2", "row 3"]
    [broken] = [one["message"] for one in kept if one["code"] == "invalid_row"]
    assert "mend the file, import it again, and discard this" in broken
    # The same file again: the same ids.
    again = await imported(imports, data, **spec)
    assert again["accepted"] == 2
    assert len({one["message_id"] for one in await log_of(imports.workspace)}) == 2
    listed = await imports.get("/v1/jobs?kind=import", "events:read")
    assert [one["id"] for one in listed["items"]] == [again["id"], job["id"]]


async def test_a_dry_run_judges_and_sends_nothing(imports: Any, log_of: Log) -> None:
    data = b"id,mail\n1,a@x.example\n2\n" + b"".join(b"%d,\n" % n for n in range(3, 900))
    job = await imported(imports, data, dry_run=True)
    assert (job["state"], job["accepted"], job["rejected"]) == ("done", 898, 1)
    assert [one["userId"] for one in job["report"]["preview"]] == ["1", "3", "4"]
    assert job["report"]["preview"][0]["traits"] == {"email": "a@x.example"}
    assert await log_of(imports.workspace) == []
    assert (await imports.get("/v1/quarantine", "events:read"))["items"] == []
    some = await imported(imports, data, dry_run=True, options={"limit": 7})
    assert some["done"] == 7


async def test_events_as_json_lines_need_no_mapping(imports: Any, log_of: Log) -> None:
    lines = [{"type": "track", "event": "x", "userId": "u", "messageId": f"m{n}"} for n in range(3)]
    data = b"\n".join(map(msgspec.json.encode, lines)) + b"\n{}\n"
    job = await imported(imports, data, "a.jsonl", mapping=None)
    assert (job["accepted"], job["rejected"]) == (3, 1)
    assert job["report"]["codes"] == {"missing_field": 1}
    found = {one["message_id"] for one in await log_of(imports.workspace)}
    assert found == {"m0", "m1", "m2"}


async def test_a_tills_file_with_a_wrong_total_sends_nothing(imports: Any, log_of: Log) -> None:
    await imports.client.patch(
        f"/v1/sources/{imports.source}",
        json={"policy": {"currency": "EUR"}},
        headers=imports.token("sources:write"),
    )
    head = b"store,till,receipt,time,sku,quantity,unit_price,customer\n"
    line = b"7,2,1001,2026-01-07T12:00:00Z,A,2,1.50,c1\n"
    bad = await imported(imports, head + line + b"TOTAL,1,3.10\n", mapping=None, preset="pos")
    assert bad["state"] == "failed"
    assert "add up to 3.00" in bad["error"]
    assert await log_of(imports.workspace) == []
    good = await imported(imports, head + line + b"TOTAL,1,3.00\n", mapping=None, preset="pos")
    assert (good["state"], good["accepted"]) == ("done", 1)
    assert good["report"]["checks"] == {"lines": 1, "amount": "3.00", "trailer": True}
    [order] = await log_of(imports.workspace)
    assert order["message_id"] == "7-2-1001-2026-01-07"
    assert (order["currency"], order["historic"], order["sequence"]) == ("EUR", True, 1)


async def test_an_upload_is_resumed_where_it_broke_off(imports: Any, tmp_path: Path) -> None:
    data = b"id,mail\n" + b"".join(b"%d,\n" % n for n in range(1, 1001))
    job = (await make(imports))["id"]

    total = len(data)
    part = f"bytes 0-1999/{total}"
    assert (await put(imports, job, data[:2000], Content_Range=part)).json()["state"] == "uploading"
    at = await imports.get(f"/v1/imports/{job}/file", "imports:write")
    assert at["offset"] == 2000
    wrong = await put(imports, job, b"x", Content_Range=f"bytes 5-5/{total}")
    assert (wrong.status_code, wrong.json()["details"]) == (409, {"offset": 2000})
    rest = f"bytes 2000-{total - 1}/{total}"
    more = await put(imports, job, data[2000:] + b"x", Content_Range=rest)
    assert more.status_code == 422
    done = await put(imports, job, data[2000:], Content_Range=rest)
    assert done.json()["state"] == "queued", done.text
    assert (await put(imports, job, data)).status_code == 409
    assert (await finished(imports, job))["accepted"] == 1000


async def test_all_that_is_left_to_say_is_that_all_is_there(imports: Any) -> None:
    job = (await make(imports))["id"]
    path = imports.process.uploads.path(job)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"id,mail\n1,\n")
    assert (await put(imports, job, b"", Content_Range="bytes */11")).json()["state"] == "queued"


async def test_what_is_too_large_or_has_no_room_is_refused(
    start: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest = await start(data_folder=tmp_path / "data", import_limit_bytes=100)
    job = (await make(ingest))["id"]
    assert (await put(ingest, job, b"x" * 101)).status_code == 413

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"x" * 50

    assert (await put(ingest, job, chunks())).status_code == 413
    monkeypatch.setattr(uploads, "KEEP_FREE_BYTES", 2**62)
    answer = await put(ingest, job, b"x")
    assert (answer.status_code, answer.json()["code"]) == (507, "insufficient_storage")
    for header in ("bytes 5-/9", "lines 1-2/3", "bytes 1-2/*", "x" * 99):
        assert (await put(ingest, job, b"x", Content_Range=header)).status_code == 422


async def test_who_may_and_what_is_not_there(imports: Any) -> None:
    job = (await make(imports))["id"]
    other = imports.token("*", workspace="another")
    for method, path in (
        ("GET", f"/v1/jobs/{job}"),
        ("POST", f"/v1/jobs/{job}/cancel"),
        ("GET", f"/v1/imports/{job}/file"),
        ("PUT", f"/v1/imports/{job}/file"),
    ):
        answer = await imports.client.request(method, path, headers=other)
        assert answer.status_code == 404
    reader = imports.token("events:read")
    for method, path in (("POST", "/v1/imports"), ("PUT", f"/v1/imports/{job}/file")):
        answer = await imports.client.request(method, path, headers=reader, json={})
        assert answer.status_code == 403
    headers = imports.token("imports:write")
    for body, status in (
        ({"source": "nobody", "name": "a.csv", "mapping": IDENTIFY}, 404),
        ({"source": imports.source, "name": "a.csv"}, 422),
        ([], 422),
        ({"source": imports.source, "name": "a.csv", "mapping": IDENTIFY, "party": "third"}, 422),
    ):
        answer = await imports.client.post("/v1/imports", json=body, headers=headers)
        assert answer.status_code == status, answer.text


async def test_files_below_a_granted_folder_only(imports: Any, tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    (tmp_path / "inbox-evil").mkdir()
    (inbox / "a.csv").write_bytes(b"id,mail\n1,\n")
    for secret in (tmp_path / "secret.csv", tmp_path / "inbox-evil/a.csv"):
        secret.write_bytes(b"id,mail\n1,\n")
    (inbox / "link.csv").symlink_to(tmp_path / "secret.csv")
    (inbox / "folder").symlink_to(tmp_path / "inbox-evil")
    os.mkfifo(inbox / "pipe.csv")
    for uri in (
        "../secret.csv",
        "../inbox-evil/a.csv",
        str(tmp_path / "secret.csv"),
        str(tmp_path / "inbox-evil/a.csv"),
        f"file://{tmp_path}/secret.csv",
        "link.csv",
        "folder/a.csv",
        ".",
        "",
        "http://127.0.0.1/a.csv",
        "file://host/../../a.csv",
        "s3://bucket/a.csv",
    ):
        assert await refused_place(imports, uri), uri
    job = await make(imports, uri="a.csv")
    assert job["state"] == "queued"
    whole = await make(imports, uri=str(inbox / "a.csv"))
    for name in ("pipe.csv", "none.csv"):
        await make(imports, uri=name)
    while await imports.process.jobs.turn(asyncio.Event()):
        pass
    listed = (await imports.get("/v1/jobs", "events:read"))["items"]
    by_name = {one["id"]: one["state"] for one in listed}
    assert by_name[job["id"]] == by_name[whole["id"]] == "done"
    assert sorted(by_name.values()) == ["done", "done", "failed", "failed"]


async def refused_place(ingest: Any, uri: str, workspace: str | None = None) -> bool:
    """Whether an address is refused at once, whatever is there."""
    body = {"source": ingest.source, "uri": uri, "name": "a.csv", "mapping": IDENTIFY}
    headers = ingest.token("imports:write", workspace=workspace)
    answer = await ingest.client.post("/v1/imports", json=body, headers=headers)
    return bool(answer.status_code == 422 and answer.json()["details"].get("path") == "uri")


async def test_places_are_granted_to_one_workspace(imports: Any, tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs/b.csv").write_bytes(b"id,mail\n1,\n")
    (tmp_path / "inbox/a.csv").write_bytes(b"id,mail\n1,\n")
    grant(imports, str(tmp_path / "theirs"), workspace="another")
    assert await refused_place(imports, str(tmp_path / "theirs/b.csv"))
    for stranger in ("another", "third"):
        assert await refused_place(imports, str(tmp_path / "inbox/a.csv"), workspace=stranger)
    assert await refused_place(imports, "a.csv", workspace="third")


async def test_what_is_not_granted_any_more_is_not_read(imports: Any, tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox/a.csv").write_bytes(b"id,mail\n1,\n")
    job = (await make(imports, uri="a.csv"))["id"]
    grant(imports)
    shown = await finished(imports, job)
    assert (shown["state"], shown["done"]) == ("failed", 0)
    assert "RAPPORT_IMPORT_PLACES" in shown["error"]


async def test_a_folder_that_became_a_link_is_not_followed(tmp_path: Path) -> None:
    for folder in ("inner", "secret"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.csv").write_bytes(b"x")
    allowed = str((tmp_path / "inner/a.csv").resolve())
    open_path(allowed).file.close()
    (tmp_path / "inner").rename(tmp_path / "moved")
    (tmp_path / "inner").symlink_to(tmp_path / "secret")
    with pytest.raises(InvalidRequestError):
        open_path(allowed)


@pytest.mark.parametrize(
    ("places", "uri", "allowed"),
    [
        (("s3://lake",), "s3://lake/a.csv", True),
        (("s3://lake/in",), "s3://lake/in/may/a.csv", True),
        (("s3://lake/in/",), "s3://lake/in/a.csv", True),
        (("s3://lake",), "s3://lake-evil/a.csv", False),
        (("s3://lake/in",), "s3://lake/inside/a.csv", False),
        (("s3://lake/in",), "s3://lake/out/a.csv", False),
        (("s3://lake/in",), "s3://lake/in/../out/a.csv", False),
        (("s3://lake/in",), "s3://lake/in//a.csv", False),
        (("s3://lake/in",), "s3://lake/./in/a.csv", False),
        (("s3://lake/in",), "s3://lake@evil/in/a.csv", False),
        (("s3://lake",), "S3://lake/a.csv", False),
        (("s3://lake",), "s3://LAKE/a.csv", False),
        (("s3://lake",), "s3://lake", False),
        ((), "s3://lake/a.csv", False),
        (("/srv/shop",), "s3://srv/shop/a.csv", False),
    ],
)
async def test_s3_is_granted_by_bucket_and_folder(
    standing_ingest: Any, places: tuple[str, ...], uri: str, *, allowed: bool
) -> None:
    settings = standing_ingest.parts.settings.model_copy(
        update={
            "import_places": {"shop": places},
            "s3_endpoint": "http://127.0.0.1:1",
            "s3_access_key": "key",
            "s3_secret_key": SecretStr("secret"),
        }
    )
    if allowed:
        assert granted(uri, "shop", settings) == Source(uri.removeprefix("s3://"), in_s3=True)
    else:
        with pytest.raises(InvalidRequestError):
            granted(uri, "shop", settings)
    with pytest.raises(InvalidRequestError):
        granted(uri, "another", settings)


@pytest.fixture
def s3() -> Iterator[str]:
    """The address of an S3-compatible server with one file in it."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    server = ThreadedMotoServer("127.0.0.1", port, verbose=False)
    server.start()
    system = fs.S3FileSystem(
        access_key="key",
        secret_key="secret",
        region="us-east-1",
        scheme="http",
        endpoint_override=f"127.0.0.1:{port}",
        allow_bucket_creation=True,
    )
    system.create_dir("lake")
    with system.open_output_stream("lake/in/a.csv") as file:
        file.write(b"id,mail\n" + b"".join(b"%d,\n" % n for n in range(1, 701)))
    yield f"http://127.0.0.1:{port}"
    server.stop()


async def test_files_in_s3(start: Any, s3: str, log_of: Log, tmp_path: Path) -> None:
    ingest = await start(
        s3_endpoint=s3, s3_access_key="key", s3_secret_key=SecretStr("secret"), data_folder=tmp_path
    )
    grant(ingest, "s3://lake/in", "s3://other")
    job = await make(ingest, uri="s3://lake/in/a.csv")
    assert (await finished(ingest, job["id"]))["accepted"] == 700
    assert len(await log_of(ingest.workspace)) == 700
    for uri in ("s3://lake/in/none.csv", "s3://other/a.csv"):
        missing = await finished(ingest, (await make(ingest, uri=uri))["id"])
        assert missing["state"] == "failed"
        assert uri in missing["error"]


async def test_an_import_waits_for_kafka_and_leaves_the_spool_to_others(
    start: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "AVOID_SECONDS", 3600.0)  # however slow the machine is
    ingest = await start(kafka=NOWHERE, data_folder=tmp_path)
    await ingest.send("/v1/track", {"event": "x", "userId": "u"})  # finds out that Kafka is away
    job = (await make(ingest))["id"]
    await put(ingest, job, b"id,mail\n1,\n")
    assert ingest.process.spool.avoids_kafka
    shown = await finished(ingest, job)
    assert (shown["state"], shown["done"], shown["attempts"]) == ("queued", 0, 0)
    # Not before a pause, so that other jobs get on.
    assert not await ingest.process.jobs.turn(asyncio.Event())


async def test_a_cancelled_job_ends_and_its_file_goes(imports: Any) -> None:
    job = (await make(imports))["id"]
    await put(imports, job, b"id,mail\n1,\n")
    headers = imports.token("imports:write")
    answer = await imports.client.post(f"/v1/jobs/{job}/cancel", headers=headers)
    assert answer.json()["state"] == "cancelled"
    again = await imports.client.post(f"/v1/jobs/{job}/cancel", headers=headers)
    assert again.status_code == 409
    assert not await imports.process.jobs.turn(asyncio.Event())
    path = imports.process.uploads.path(job)
    living = (await make(imports))["id"]
    await put(imports, living, b"x", Content_Range="bytes 0-0/9")
    orphan, old = path.with_stem("orphan"), path.with_stem("old")
    for one in (orphan, old):
        one.write_bytes(b"x")
    os.utime(old, (0, 0))
    await imports.process.uploads.sweep()
    assert not path.exists()
    assert not old.exists()
    assert orphan.exists()
    assert imports.process.uploads.offset(living) == 1
    async with imports.parts.engine.begin() as tx:
        await tx.execute(
            text(
                "UPDATE ingest.job SET created_at = now() - CAST(:age AS interval) WHERE id = :id"
            ),
            {"id": living, "age": UPLOAD_AGE * 2},
        )
    await imports.process.uploads.sweep()
    assert (await imports.get(f"/v1/jobs/{living}"))["state"] == "cancelled"


async def test_a_stop_gives_the_job_back(imports: Any, log_of: Log) -> None:
    job = (await make(imports))["id"]
    await put(imports, job, b"id,mail\n" + b"".join(b"%d,\n" % n for n in range(1, 1201)))
    stop = asyncio.Event()
    stop.set()
    turns = 0
    while await imports.process.jobs.turn(stop):
        turns += 1
        shown = await imports.get(f"/v1/jobs/{job}")
        assert shown["accepted"] == min(1200, turns * 500)
    assert shown["state"] == "done"
    events = await log_of(imports.workspace)
    assert len(events) == len({one["message_id"] for one in events}) == 1200


async def test_a_file_without_a_mapped_column_sends_nothing(imports: Any, log_of: Log) -> None:
    """Else all rows would be taken, and nobody would have an address."""
    wrong = {"type": "identify", "fields": {"userId": "id", "traits.email": "Emial"}}
    job = await imported(imports, b"id,Email\n1,a@x.example\n", mapping=wrong)
    assert (job["state"], job["done"]) == ("failed", 0)
    assert "no column 'Emial'" in job["error"]
    assert "'id', 'Email'" in job["error"]
    assert await log_of(imports.workspace) == []


@pytest.mark.parametrize("most", [{"import_refused_rows": 600}, {"import_refused_bytes": 10_000}])
async def test_an_import_of_which_too_much_is_refused_ends(
    start: Any, tmp_path: Path, most: dict[str, int]
) -> None:
    """The quarantine keeps what was seen until then, and no more of it."""
    ingest = await start(data_folder=tmp_path / "data", import_rows_per_second=10**6, **most)
    data = b"id,mail\n1,a@x.example\n" + b",x\n" * 5000
    tried = await imported(ingest, data, dry_run=True)
    assert (tried["state"], tried["rejected"]) == ("done", 5000)
    job = await imported(ingest, data)
    assert (job["state"], job["accepted"]) == ("failed", 1)
    assert 100 < job["rejected"] <= 1600
    assert "no_identifier" in job["error"]
    assert "The first is row 2" in job["error"]


async def test_a_file_of_nothing_lets_the_others_go_first(
    imports: Any, log_of: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "TURN_SECONDS", 0)
    blank = (await make(imports))["id"]
    await put(imports, blank, b"id,mail\n" + b"\n" * (3 * 2**19) + b"7,\n")
    other = (await make(imports))["id"]
    await put(imports, other, b"id,mail\n8,\n")
    shown = await finished(imports, blank)
    monkeypatch.setattr(worker, "TURN_SECONDS", 30)
    assert (shown["state"], shown["done"], shown["report"]["events"]) == ("queued", 0, 0)
    assert shown["progress"]["bytes"] > 2**20
    assert (await finished(imports, other))["state"] == "done"
    shown = await finished(imports, blank)
    assert (shown["state"], shown["accepted"]) == ("done", 1)
    assert sorted(names(one)["user_id"] for one in await log_of(imports.workspace)) == ["7", "8"]


async def test_a_check_of_totals_goes_on_where_it_was(
    imports: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "TURN_SECONDS", 0)
    head = b"store,till,receipt,time,sku,quantity,unit_price,customer\n"
    line = b"7,2,1001,2026-01-07T12:00:00Z,A,2,1.50,c1\n"
    job = (await make(imports, mapping=None, preset="pos"))["id"]
    await put(imports, job, head + line * 5500 + b"TOTAL,5500,16500.01\n")
    other = (await make(imports))["id"]
    await put(imports, other, b"id,mail\n8,\n")
    shown = await finished(imports, job)
    monkeypatch.setattr(worker, "TURN_SECONDS", 30)
    assert (shown["state"], shown["done"], shown["report"]["checks"]) == ("queued", 0, {})
    assert (await stored(imports, job)).position["tally"]["lines"] == 5000
    assert (await finished(imports, other))["state"] == "done"
    shown = await finished(imports, job)
    assert shown["state"] == "failed"
    assert "add up to 16500.00" in shown["error"]
