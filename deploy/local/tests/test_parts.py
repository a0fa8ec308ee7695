"""The parts of the local runtime that need no server: folders, ports, waits, log lines."""

import json
import os
import socket
import stat
import subprocess
import sys
import traceback
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.waiting import HANG_SECONDS, until

from rapport_local import jars, paths, ports, reaper
from rapport_local.backoff import LONGEST_WAIT, Backoff
from rapport_local.config import Config
from rapport_local.credentials import Credentials
from rapport_local.errors import LocalError
from rapport_local.files import is_locked, locked_soon
from rapport_local.logs import Parser
from rapport_local.paths import Home, Scratch, cache_folder
from rapport_local.ports import SERVICES, Ports, check_free, free_port, free_ports, taken
from rapport_local.process import Program, spawn, tail


def test_the_first_restart_comes_at_once_and_a_long_life_forgets() -> None:
    backoff = Backoff()
    assert backoff.after_death(0.1) == 0
    assert backoff.after_death(0.1) > 0
    assert backoff.after_death(31) == 0


@given(lives=st.lists(st.floats(0, 60), max_size=50))
def test_no_wait_is_longer_than_five_seconds(lives: list[float]) -> None:
    backoff = Backoff()
    assert all(0 <= backoff.after_death(lived) <= LONGEST_WAIT for lived in lives)


def test_no_two_components_share_a_port() -> None:
    mine = Ports(8100)
    used = [mine.postgres, mine.kafka, mine.controller, mine.smtp, mine.intake]
    used.append(mine.base + ports.CLAIM)
    used += [mine.service(name) for name in SERVICES]
    used += [mine.metrics(name, worker) for name in SERVICES for worker in range(4)]
    assert len(set(used)) == len(used)
    assert (min(used), max(used)) == (8100, 8135)


def test_a_bad_port_base_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAPPORT_PORT_BASE", "80")
    with pytest.raises(LocalError, match="1024"):
        Ports.from_environment()


def test_a_taken_port_is_named_with_its_holder() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(LocalError) as caught:
            check_free({port: "ingest"})
    assert caught.value.code == "port_taken"
    assert f"Port {port} (ingest)" in caught.value.message
    assert f"pid {os.getpid()}" in caught.value.message


def test_a_drawn_base_is_nobody_elses_while_nobody_listens_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    code = "from rapport_local.ports import Ports; print(Ports.free().base, flush=True); input()"
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdin
        assert other.stdout
        base = int(other.stdout.readline())
        monkeypatch.setattr(ports, "FREE_BASES", range(base, base + 1))
        with pytest.raises(LocalError) as caught:
            Ports.free()
        assert caught.value.code == "no_free_ports"
        other.stdin.close()
        other.wait()
        assert Ports.free().base == base


def test_no_port_is_given_twice() -> None:
    given = [free_port() for _ in range(70)] + list(range(first := free_ports(20), first + 20))
    assert len(set(given)) == len(given)
    assert not any(taken(port) for port in given)


def test_clean_refuses_a_folder_without_our_marker(tmp_path: Path) -> None:
    (tmp_path / "precious").touch()
    with pytest.raises(LocalError) as caught:
        Home.at(tmp_path).remove()
    assert caught.value.code == "home_not_ours"
    assert (tmp_path / "precious").exists()


def test_a_folder_with_foreign_files_never_becomes_a_home(tmp_path: Path) -> None:
    (tmp_path / "precious").touch()
    with pytest.raises(LocalError, match="not Rapport's"):
        Home.at(tmp_path).create()


def test_a_home_is_made_and_removed_whole(tmp_path: Path) -> None:
    home = Home.at(tmp_path / "home")
    home.create()
    home.create()
    assert stat.S_IMODE(home.root.stat().st_mode) == 0o700
    home.remove()
    assert list(tmp_path.iterdir()) == []


def test_a_nearly_full_disk_is_told_before_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "NEEDED_BYTES", 2**62)
    with pytest.raises(LocalError) as caught:
        Home.at(tmp_path / "home").create()
    assert caught.value.code == "disk_full"
    assert "RAPPORT_HOME" in caught.value.message


def test_a_scratch_folder_goes_when_its_owner_is_gone(tmp_path: Path) -> None:
    alive, gone = Scratch.of(tmp_path), Scratch.of(tmp_path / "gone")
    alive.create()
    gone.create()
    try:
        paths.remove_orphans()
        assert alive.root.exists()
        assert not gone.root.exists()
    finally:
        alive.remove()


def test_the_cache_is_put_where_it_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home.at(tmp_path / "home")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder(home) == tmp_path / "xdg" / "rapport"
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null/nowhere")
    monkeypatch.setenv("HOME", "")
    assert cache_folder(home) == home.root / "cache"


def test_credentials_are_kept_and_private(tmp_path: Path) -> None:
    file = tmp_path / "credentials.json"
    first = Credentials.load(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert Credentials.load(file) == first
    assert len(first.secret) >= 32
    assert set(SERVICES) < set(first.passwords)


def test_a_service_that_is_split_has_a_process_for_each_role(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAPPORT_SPLIT", "profile, ingest")
    monkeypatch.setenv("RAPPORT_HOME", str(tmp_path / "home"))
    config = Config.from_environment()
    credentials = Credentials.load(tmp_path / "credentials.json")
    assert config.components[-len(config.processes) :] == (
        *SERVICES,
        "ingest-worker",
        "profile-worker",
    )
    roles = {
        name: config.environment(name, credentials).get("RAPPORT_ROLE") for name in config.processes
    }
    halves = {"ingest": "api", "ingest-worker": "worker"}
    halves |= {"profile": "api", "profile-worker": "worker"}
    assert roles == {name: halves.get(name) for name in config.processes}
    assert len(config.wanted_ports()) == len(set(config.wanted_ports()))
    own = {
        int(config.environment(n, credentials)["RAPPORT_METRICS_PORT"]) for n in config.processes
    }
    assert len(own) == len(config.processes)
    assert own <= set(config.wanted_ports())
    # The worker answers where its metrics are; its settings are otherwise those of its service.
    serving, working = (config.environment(n, credentials) for n in ("profile", "profile-worker"))
    assert working["RAPPORT_METRICS_PORT"] == str(config.port("profile-worker"))
    assert {name for name in serving if serving[name] != working[name]} == {
        "RAPPORT_ROLE",
        "RAPPORT_METRICS_PORT",
    }


def test_a_stack_from_before_there_were_roles_is_read(tmp_path: Path) -> None:
    home = Home.at(tmp_path / "home")
    home.create()
    Config(home, Ports(9100)).write()
    former = json.loads(home.config.read_text())
    del former["split"]
    home.config.write_text(json.dumps(former))
    assert Config.read(home) == Config(home, Ports(9100))


def test_a_service_that_there_is_not_can_not_be_split(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAPPORT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RAPPORT_SPLIT", "profiles")
    with pytest.raises(LocalError) as refused:
        Config.from_environment()
    assert refused.value.code == "unknown_component"


@pytest.mark.parametrize(
    ("text", "seconds"), [("", 180), ("600", 600), ("9", None), ("inf", None), ("soon", None)]
)
def test_who_has_a_slow_machine_says_how_long_a_start_may_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, seconds: float | None
) -> None:
    monkeypatch.setenv("RAPPORT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RAPPORT_START_SECONDS", text)
    if seconds is not None:
        assert Config.from_environment().start_seconds == seconds
        return
    with pytest.raises(LocalError) as refused:
        Config.from_environment()
    assert refused.value.code == "bad_start_seconds"


def test_the_configuration_survives_its_file(tmp_path: Path) -> None:
    home = Home.at(tmp_path / "home")
    home.create()
    config = Config(
        home,
        Ports(9100),
        split=("feedback",),
        env={"A": "1"},
        commands={"ingest": ["true"]},
        kafka_settings={"a": "b"},
        start_seconds=600,
    )
    config.write()
    assert Config.read(home) == config


def test_with_a_given_database_and_kafka_neither_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql+asyncpg://me:pw@db.example:5432/shop")
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "broker.example:9092")
    config = Config.from_environment()
    assert config.database_url == "postgresql://me:pw@db.example:5432/shop"
    assert config.components == ("smtp", *SERVICES)


def test_a_lock_is_seen_by_others_and_ends_with_its_holder(tmp_path: Path) -> None:
    with locked_soon(tmp_path / "lock", 0) as first, locked_soon(tmp_path / "lock", 0) as second:
        assert (first, second) == (True, False)
        assert is_locked(tmp_path / "lock")
    assert not is_locked(tmp_path / "lock")


def test_a_download_that_fails_names_the_file_and_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(LocalError) as caught:
        jars.ensure(tmp_path)
    assert caught.value.code == "download_failed"
    assert ".jar could not be downloaded" in caught.value.message
    assert "KAFKA_BOOTSTRAP_SERVERS" in caught.value.message


def test_a_truncated_jar_does_not_count_as_there(tmp_path: Path) -> None:
    jar = jars.read_lock()[0]
    (tmp_path / jar.path).parent.mkdir(parents=True)
    (tmp_path / jar.path).write_bytes(b"PK half")
    assert not jar.is_good(tmp_path)


def test_the_lock_names_kafka_and_its_logging_with_sums() -> None:
    locked = {jar.artifact: jar for jar in jars.read_lock()}
    assert locked["kafka_2.13"].version == locked["kafka-clients"].version == "4.3.0"
    assert "log4j-slf4j-impl" in locked
    assert all(len(jar.sha256) == 64 for jar in locked.values())


@pytest.mark.parametrize(
    ("raw", "at", "level", "text"),
    [
        (
            '{"event": "batch done", "level": "info", "time": "2026-01-02T03:04:05.678Z", "n": 3}',
            "2026-01-02T03:04:05.678",
            "info",
            "batch done n=3",
        ),
        (
            "2026-01-02 03:04:05.678 UTC [7] ERROR:  no such table",
            "2026-01-02T03:04:05.678",
            "error",
            "[7] ERROR:  no such table",
        ),
        (
            "2026-01-02T03:04:05.678Z WARN Fenced (Broker)",
            "2026-01-02T03:04:05.678",
            "warn",
            "WARN Fenced (Broker)",
        ),
        ("Traceback (most recent call last):", "", "", "Traceback (most recent call last):"),
        ('{"half": ', "", "", '{"half": '),
    ],
)
def test_each_kind_of_log_line_is_understood(raw: str, at: str, level: str, text: str) -> None:
    line = Parser("kafka").parse(raw)
    assert (line.at, line.level, line.text) == (at, level, text)


def test_a_line_without_a_time_stays_with_the_one_before() -> None:
    parser = Parser("kafka")
    first = parser.parse("2026-01-02T03:04:05.678Z ERROR boom (Broker)")
    assert parser.parse("  at kafka.Broker").at == first.at


def test_a_process_that_ignores_its_signal_is_killed_in_the_end(tmp_path: Path) -> None:
    deaf = (
        "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True);"
        "time.sleep(99)"
    )
    log = tmp_path / "log"
    running = spawn(Program((sys.executable, "-c", deaf), stop_seconds=0.3), log)
    until("line in the log", lambda: tail(log))
    assert running.stop() == -9


def test_a_killed_process_takes_its_workers_with_it(tmp_path: Path) -> None:
    parent = (
        "import subprocess, time; print(subprocess.Popen(['sleep', '99']).pid, flush=True);"
        "time.sleep(99)"
    )
    log = tmp_path / "log"
    running = spawn(Program((sys.executable, "-c", parent)), log)
    until("line in the log", lambda: tail(log))
    running.send(9)
    assert running.exited.wait(HANG_SECONDS)
    _wait_gone(int(tail(log)[0]))


def test_no_child_outlives_a_parent_that_is_killed(tmp_path: Path) -> None:
    parent = (
        "import psutil, sys, time; from pathlib import Path;"
        "from rapport_local.process import Program, spawn;"
        "spawn(Program((sys.executable, '-c', 'import time; time.sleep(99)')), Path(sys.argv[1]));"
        "print(*[child.pid for child in psutil.Process().children()], flush=True); time.sleep(99)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", parent, str(tmp_path / "log")], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        children = [int(pid) for pid in process.stdout.readline().split()]
        process.kill()
    assert len(children) == 2  # the program and the reaper
    for pid in children:
        _wait_gone(pid)


def test_the_reaper_alone_ends_a_whole_group() -> None:
    """What keeps the promise on systems without the Linux parent-death signal."""
    with subprocess.Popen(["sh", "-c", "sleep 99 & sleep 99"], start_new_session=True) as group:
        argv = [sys.executable, "-I", "-S", reaper.__file__]
        with subprocess.Popen(argv, stdin=subprocess.PIPE, text=True) as process:
            assert process.stdin is not None
            process.stdin.write(f"+{group.pid} 15\n+999999 15\n-999999\n")
            process.stdin.close()
            assert group.wait(HANG_SECONDS) == -15
            assert process.wait(HANG_SECONDS) == 0


def test_an_error_crosses_processes_unchanged() -> None:
    error = LocalError(code="port_taken", message="Port 1 is taken.", details={"port": 1})
    again = LocalError.from_json(json.loads(json.dumps(error.as_json())))
    assert (again.code, again.message, again.details) == (error.code, error.message, error.details)


def _wait_gone(pid: int) -> None:
    until(f"end of process {pid}", lambda: _is_gone(pid))


def _is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_an_error_that_nobody_catches_shows_the_end_of_the_log() -> None:
    details: dict[str, object] = {"tail": ["first", "last words"]}
    error = LocalError(code="component_died", message="kafka ended.", details=details)
    told = "".join(traceback.format_exception(LocalError.from_json(error.as_json())))
    assert "last words" in told
