"""The local runtime with real Kafka, Postgres and SMTP; the services are stand-ins."""

import json
import os
import signal
import smtplib
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from tests.support.waiting import HANG_SECONDS, until

from rapport_local.config import Config
from rapport_local.errors import LocalError
from rapport_local.paths import Home, Scratch
from rapport_local.ports import SERVICES, Ports
from rapport_local.postgres import Postgres, installed
from rapport_local.provision import create_database, provision, service_url
from rapport_local.smtp import MailCatcher
from rapport_local.stack import Stack

pytestmark = pytest.mark.e2e

STAND_IN = Path(__file__).parents[2] / "deploy/local/tests/stand_in_service.py"
ACTIVE = (
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE query LIKE '%generate_series(1%' AND pid <> pg_backend_pid()"
)
COMMANDS = {name: [sys.executable, str(STAND_IN)] for name in SERVICES}
PASSWORDS = dict.fromkeys(SERVICES, "s3cret-and-long")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A whole stack on free ports; gone without a trace afterwards."""
    home = Home.at(tmp_path_factory.mktemp("stack") / "home")
    stack = Stack(Config(home, Ports.free(), commands=COMMANDS, start_seconds=HANG_SECONDS))
    try:
        yield stack.start()
    finally:
        stack.stop()
        home.remove()


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A Postgres of our own."""
    server = Postgres(tmp_path_factory.mktemp("postgres") / "data")
    try:
        yield server.start()
    finally:
        server.remove()


def psql(url: str, statement: str) -> "subprocess.CompletedProcess[str]":
    argv = [str(installed() / "bin/psql"), "-XqtA", "-c", statement, url]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=HANG_SECONDS)


def local(*arguments: str, env: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    argv = [sys.executable, "-m", "rapport_local", *arguments]
    environment = {**os.environ, **env}
    return subprocess.run(
        argv, capture_output=True, text=True, check=False, env=environment, timeout=HANG_SECONDS
    )


def processes_of(home: Home) -> list[str]:
    """Command lines that name the home or its scratch folder."""
    marks = (str(home.root), str(Scratch.of(home.postgres).root))
    lines = [
        " ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])
    ]
    return [line for line in lines if any(mark in line for mark in marks)]


@pytest.mark.parametrize("component", ["postgres", "kafka", "smtp", *SERVICES])
def test_what_is_killed_comes_back(stack: Stack, component: str) -> None:
    killed = stack.kill(component)
    assert stack.wait_component(component, not_pid=killed) != killed


def test_a_frozen_service_is_shown(stack: Stack) -> None:
    pid = stack.kill("segment", signal.SIGSTOP)
    try:
        wait_state(stack, "segment", "unready")
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_state(stack, "segment", "ready")
    assert stack.pid("segment") == pid


def wait_state(stack: Stack, component: str, state: str) -> None:
    def look() -> bool:
        notice = stack.notice()
        return notice is not None and notice.components[component].state == state

    until(f"{component} {state}", look)


def test_each_service_owns_its_schema_and_sees_no_other(stack: Stack) -> None:
    urls = stack.credentials().database_urls
    assert psql(urls["ingest"], "CREATE TABLE ingest.t (a int)").returncode == 0
    assert "permission denied for schema ingest" in psql(urls["profile"], "TABLE ingest.t").stderr
    assert psql(urls["ingest"], "SHOW search_path").stdout.strip() == '"$user", public'


def test_a_wrong_database_password_is_refused(stack: Stack) -> None:
    url = service_url(stack.credentials().database_urls["ingest"], "ingest", "wrong")
    assert "password authentication failed" in psql(url, "SELECT 1").stderr


def test_the_commands_show_the_running_stack(stack: Stack) -> None:
    env = {"RAPPORT_HOME": str(stack.home.root)}
    shown = local("status", env=env)
    assert shown.returncode == 0
    assert [line.split()[:2] for line in shown.stdout.splitlines()[1:]] == [
        [name, "ready"] for name in stack.config.components
    ]
    assert "database system is ready" in local("logs", "postgres", env=env).stdout
    exported = local("env", "campaign", env=env).stdout
    assert f"export RAPPORT_SMTP_PORT={stack.config.ports.smtp}\n" in exported
    unknown = local("logs", "nobody", env=env)
    assert unknown.returncode == 1
    assert "no component 'nobody'" in unknown.stderr


@pytest.fixture
def shell(stack: Stack, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a user with servers of their own, whose services are stand-ins."""
    for name in SERVICES:
        package = tmp_path / "packages" / f"rapport_{name}"
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        (package / "__main__.py").write_text(STAND_IN.read_text())
    home = Home.at(tmp_path / "home")
    home.create()
    # Roles belong to the whole server: a second stack on it has to know their passwords.
    home.credentials.write_text(stack.home.credentials.read_text())
    env = {
        "RAPPORT_HOME": str(home.root),
        "RAPPORT_PORT_BASE": str(Ports.free().base),
        "RAPPORT_START_SECONDS": f"{HANG_SECONDS:g}",
        "PYTHONPATH": str(tmp_path / "packages"),
        "DATABASE_URL": local("env", env={"RAPPORT_HOME": str(stack.home.root)})
        .stdout.split("DATABASE_URL=")[1]
        .splitlines()[0],
        "KAFKA_BOOTSTRAP_SERVERS": stack.config.bootstrap_servers,
    }
    try:
        yield env
    finally:
        Stack(replace(stack.config, home=home)).stop()


def test_up_twice_status_down_clean(shell: dict[str, str]) -> None:
    home = Home.at(Path(shell["RAPPORT_HOME"]))
    first = local("up", env=shell)
    assert (first.returncode, first.stderr) == (0, "")
    assert "wk_1" in first.stdout
    again = local("up", env=shell)
    assert again.returncode == 0
    assert "wk_1" in again.stdout
    assert local("status", env=shell).returncode == 0
    assert local("down", env=shell).stdout == "Stopped.\n"
    assert local("status", env=shell).returncode == 1
    assert local("down", env=shell).stdout == "Nothing was running.\n"
    assert local("clean", env=shell).returncode == 0
    assert not home.root.exists()
    assert processes_of(home) == []


def test_two_ups_at_once_give_one_stack(shell: dict[str, str]) -> None:
    argv = [sys.executable, "-m", "rapport_local", "up"]
    both = [
        subprocess.Popen(argv, env={**os.environ, **shell}, stdout=subprocess.DEVNULL)
        for _ in range(2)
    ]
    assert [process.wait(HANG_SECONDS) for process in both] == [0, 0]
    assert local("status", env=shell).returncode == 0
    assert local("down", env=shell).returncode == 0


def test_up_in_the_foreground_stops_on_interrupt(shell: dict[str, str]) -> None:
    argv = [sys.executable, "-m", "rapport_local", "up", "--foreground"]
    home = Home.at(Path(shell["RAPPORT_HOME"]))
    # Who runs these tests in the background has SIGINT ignored, and children would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(argv, env={**os.environ, **shell}, stdout=subprocess.DEVNULL) as process:
        while local("status", env=shell).returncode != 0:
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(HANG_SECONDS) == 130
    assert processes_of(home) == []


def test_a_second_stack_in_the_same_home_is_refused(stack: Stack) -> None:
    with pytest.raises(LocalError) as caught:
        Stack(stack.config).start()
    assert caught.value.code == "already_up"


def test_a_stack_on_given_servers_runs_none_of_its_own(stack: Stack, tmp_path: Path) -> None:
    own = stack.credentials().passwords["postgres"]
    server = f"postgresql://postgres:{own}@127.0.0.1:{stack.config.ports.postgres}/postgres"
    home = Home.at(tmp_path / "home")
    home.create()
    home.credentials.write_text(stack.home.credentials.read_text())
    config = Config(
        home,
        Ports.free(),
        database_url=create_database(server, "second"),
        kafka_bootstrap_servers=stack.config.bootstrap_servers,
        commands=COMMANDS,
        start_seconds=HANG_SECONDS,
    )
    with Stack(config) as second:
        notice = second.notice()
        assert notice is not None
        assert list(notice.components) == ["smtp", *SERVICES]
    assert processes_of(home) == []


def test_a_port_in_use_is_named_before_anything_starts(stack: Stack, tmp_path: Path) -> None:
    config = replace(stack.config, home=Home.at(tmp_path / "home"))
    with pytest.raises(LocalError) as caught:
        Stack(config).start()
    assert caught.value.code == "port_taken"
    assert "RAPPORT_PORT_BASE" in caught.value.message
    assert processes_of(config.home) == []


@pytest.mark.parametrize(
    ("mode", "code"), [("broken", "component_died"), ("migration", "migration_failed")]
)
def test_a_service_that_cannot_start_is_named_with_its_last_words(
    stack: Stack, tmp_path: Path, mode: str, code: str
) -> None:
    home = Home.at(tmp_path / "home")
    own = stack.credentials()
    home.create()
    home.credentials.write_text(stack.home.credentials.read_text())
    config = Config(
        home,
        Ports.free(),
        services=("ingest",),
        database_url=service_url(
            own.database_urls["ingest"], "postgres", own.passwords["postgres"]
        ),
        kafka_bootstrap_servers=stack.config.bootstrap_servers,
        env={"STAND_IN": mode},
        commands=COMMANDS,
        start_seconds=HANG_SECONDS,
    )
    with pytest.raises(LocalError) as caught:
        Stack(config).start()
    assert caught.value.code == code
    assert "STAND_IN says so" in json.dumps(caught.value.details)
    assert processes_of(home) == []


def test_nothing_outlives_a_killed_supervisor_and_the_data_stays(stack: Stack) -> None:
    """The last test of the shared stack: it ends and starts it."""
    url = stack.credentials().database_urls["ingest"]
    assert psql(url, "CREATE TABLE ingest.kept AS SELECT 42 AS answer").returncode == 0
    pids = [stack.pid(component) for component in stack.config.components]
    os.kill(int(stack.home.lock.read_text()), signal.SIGKILL)
    _, alive = psutil.wait_procs(
        [psutil.Process(p) for p in pids if psutil.pid_exists(p)], HANG_SECONDS
    )
    assert [p for p in alive if p.status() != psutil.STATUS_ZOMBIE] == []
    stack.start()
    assert psql(url, "TABLE ingest.kept").stdout.strip() == "42"
    stack.stop()
    assert processes_of(stack.home) == []


def test_postgres_returns_although_a_busy_backend_survived(postgres: Postgres) -> None:
    busy = "SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 100000) b"
    with subprocess.Popen([str(installed() / "bin/psql"), "-Xqc", busy, postgres.url()]) as client:
        until("busy backend", lambda: "1" in psql(postgres.url(), ACTIVE).stdout)
        postgres.kill()
        postgres.restart()
        assert client.wait(HANG_SECONDS) != 0
    assert psql(postgres.url(), "SELECT 1").stdout.strip() == "1"


def test_provisioning_again_keeps_everything_and_sets_the_password(postgres: Postgres) -> None:
    url = create_database(postgres.url(), "again")
    first = provision(url, PASSWORDS)
    assert psql(first["feedback"], "CREATE TABLE feedback.t (a int)").returncode == 0
    second = provision(url, {**PASSWORDS, "feedback": "an0ther-p@ss/word"})
    assert psql(second["feedback"], "TABLE feedback.t").returncode == 0
    assert psql(first["feedback"], "SELECT 1").returncode != 0


def test_provisioning_works_for_a_user_who_may_only_create_roles(postgres: Postgres) -> None:
    provision(create_database(postgres.url(), "with_roles"), PASSWORDS)
    psql(postgres.url(), "CREATE ROLE dba LOGIN CREATEROLE PASSWORD 'pw'")
    psql(postgres.url(), "CREATE DATABASE dba_owned OWNER dba")
    for name in SERVICES:
        psql(postgres.url(), f"GRANT {name} TO dba WITH ADMIN OPTION")
    url = service_url(postgres.url("dba_owned"), "dba", "pw")
    urls = provision(url, PASSWORDS)
    assert psql(urls["segment"], "CREATE TABLE segment.t (a int)").returncode == 0


def test_a_user_who_may_not_create_roles_shares_its_own(tmp_path: Path) -> None:
    fresh = Postgres(tmp_path / "data")
    try:
        fresh.start()
        psql(fresh.url(), "CREATE ROLE plain LOGIN PASSWORD 'pw'")
        psql(fresh.url(), "CREATE DATABASE plain_owned OWNER plain")
        url = service_url(fresh.url("plain_owned"), "plain", "pw")
        assert provision(url, PASSWORDS) == dict.fromkeys(SERVICES, url)
        assert psql(url, "CREATE TABLE campaign.t (a int)").returncode == 0
    finally:
        fresh.remove()


def test_somebody_elses_role_is_not_taken_over(tmp_path: Path) -> None:
    fresh = Postgres(tmp_path / "data")
    try:
        fresh.start()
        psql(fresh.url(), "CREATE ROLE profile LOGIN PASSWORD 'theirs'")
        with pytest.raises(LocalError, match='role "profile" exists'):
            provision(fresh.url(), PASSWORDS)
    finally:
        fresh.remove()


def test_a_postgres_is_not_ready_because_another_one_answers_at_its_port(
    postgres: Postgres, tmp_path: Path
) -> None:
    assert postgres.ready()
    assert not Postgres(tmp_path / "data", port=postgres.port).ready()


def test_a_mail_is_kept_before_it_is_acknowledged(tmp_path: Path) -> None:
    catcher = MailCatcher(tmp_path / "mail").start()
    try:
        with smtplib.SMTP("127.0.0.1", catcher.port, local_hostname="localhost") as client:
            client.sendmail(
                "a@x.example", ["b@y.example", "c@y.example"], "Subject: Hi\r\n\r\n.dot\r\n"
            )
            catcher.kill()
        (mail,) = catcher.messages()
        assert mail.read_bytes() == (
            b"X-MailFrom: a@x.example\r\nX-RcptTo: b@y.example, c@y.example\r\n"
            b"Subject: Hi\r\n\r\n.dot\r\n"
        )
        catcher.restart()
    finally:
        catcher.stop()
