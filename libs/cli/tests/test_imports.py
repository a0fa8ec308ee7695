"""`rapport import` and `rapport job` against an API that answers as told."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from libs.cli.tests.conftest import Answers, Rapport

JOB = {
    "id": "j-1",
    "kind": "import",
    "subject": "crm",
    "state": "done",
    "error": None,
    "done": 2,
    "accepted": 2,
    "rejected": 0,
    "created_at": "2026-01-01T00:00:00Z",
    "report": {"events": 2},
}
REFUSED = {
    **JOB,
    "accepted": 1,
    "rejected": 1,
    "report": {"errors": [{"row": 2, "code": "no_identifier", "path": "userId", "message": "No."}]},
}


def serve_import(server: Answers, job: dict[str, Any]) -> None:
    server.answers["POST /v1/imports"] = (201, {**JOB, "state": "uploading"})
    server.answers["GET /v1/imports/j-1/file"] = (200, {"offset": 2})
    server.answers["PUT /v1/imports/j-1/file"] = (200, {"offset": 9, "state": "queued"})
    server.answers["GET /v1/jobs/j-1"] = (200, job)


def test_a_file_is_mapped_uploaded_from_where_it_was_and_followed(
    rapport: Rapport, server: Answers, tmp_path: Path
) -> None:
    serve_import(server, JOB)
    (tmp_path / "c.csv").write_text("id\n1\n22\n3")
    given = "import c.csv --source crm --type identify --map userId=id --option delimiter=; "
    given += "--option header=true --party third --provider X --legal-basis consent --dry-run"
    done = rapport(*given.split())
    assert done.returncode == 0, done.stderr
    spec = server.calls[0][2]
    assert spec["mapping"] == {"type": "identify", "fields": {"userId": "id"}}
    assert spec["options"] == {"delimiter": ";", "header": True}
    assert (spec["party"], spec["provider"], spec["dry_run"]) == ("third", "X", True)
    assert ("PUT", "/v1/imports/j-1/file", "\n1\n22\n3") in server.calls


def test_refused_rows_are_shown_and_end_with_one(
    rapport: Rapport, server: Answers, tmp_path: Path
) -> None:
    serve_import(server, REFUSED)
    done = rapport("import", "--s3", "s3://b/c.csv", "--source", "crm", "--preset", "pos")
    assert done.returncode == 1
    assert "no_identifier" in done.stdout
    assert not any(method == "PUT" for method, _, _ in server.calls)


def test_a_failed_job_says_why(rapport: Rapport, server: Answers) -> None:
    server.answers["GET /v1/jobs/j-1"] = (200, {**JOB, "state": "failed", "error": "It is empty."})
    done = rapport("job", "show", "j-1", "--wait")
    assert (done.returncode, "It is empty." in done.stderr) == (1, True)


def test_jobs_are_listed_and_cancelled(rapport: Rapport, server: Answers) -> None:
    server.answers["GET /v1/jobs"] = (200, {"items": [JOB], "next": None})
    server.answers["POST /v1/jobs/j-1/cancel"] = (200, JOB)
    assert "j-1" in rapport("job", "list", "--kind", "import").stdout
    assert "2 items" in rapport("job", "cancel", "j-1").stdout


def test_an_import_needs_a_file_and_a_source(rapport: Rapport, server: Answers) -> None:
    for given in (["import"], ["import", "c.csv"], ["import", "c.csv", "--source", "crm"]):
        done = rapport(*given)
        assert done.returncode == 1
        assert done.stderr.startswith(("error:", "The upload"))


def test_a_file_that_is_not_there_is_what_is_complained_of(
    rapport: Rapport, server: Answers, tmp_path: Path
) -> None:
    """Not its format, which nobody can know: and no import is made on the server."""
    serve_import(server, JOB)
    for path in (tmp_path / "nope", tmp_path / "nope.csv"):
        done = rapport("import", str(path), "--source", "crm", "--map", "userId=id")
        assert done.returncode == 1
        assert str(path) in done.stderr.replace("\n", "")
        assert "format" not in done.stderr
    assert not [call for call in server.calls if call[0] == "POST"]
