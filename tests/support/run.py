"""One run of pytest: its folder, its servers, and that nothing of it is left at the end."""

import os
import shutil
import signal
import tempfile
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

import psutil
import pytest
from tests.support.servers import AskedServers, OwnServers, Servers
from tests.support.waiting import HANG_SECONDS
from typing_extensions import override

MARK = "RAPPORT_TEST_RUN"
"""Every process of a run has the run's folder in this variable, whoever started it."""

ENDING = (signal.SIGTERM, signal.SIGHUP)


class Run:
    """The run's `folder` for what this process keeps, and its `servers`."""

    folder: Path
    servers: Servers

    def for_worker(self) -> dict[str, Any]:
        """What a worker of pytest-xdist has to be told, see `WorkersRun`."""
        raise NotImplementedError

    def end(self) -> list[str]:
        """End the run; returns the commands of processes that had to be killed."""
        return []


class OwnRun(Run):
    """The run of the process that was started by the user, or by make."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="rapport-test-"))
        self._servers = OwnServers(self.folder)
        self.servers = self._servers
        os.environ[MARK] = str(self.folder)
        self._is_interrupted = False
        for number in ENDING:
            signal.signal(number, self._interrupt)

    @override
    def for_worker(self) -> dict[str, Any]:
        """What a worker of pytest-xdist has to be told, see `WorkersRun`."""
        return {"run_folder": str(self.folder), "servers": self._servers.listen()}

    @override
    def end(self) -> list[str]:
        """Stop the servers, wait for what is ending, kill the rest, delete the folder."""
        for number in (*ENDING, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        self._servers.stop()
        del os.environ[MARK]
        left = _processes(self.folder)
        if self._is_interrupted:
            # The workers died with it, and told nobody to stop.
            for process in left:
                with suppress(psutil.Error):
                    process.terminate()
        _, late = psutil.wait_procs(left, HANG_SECONDS)
        stubborn = _killed(late)
        _remove_scratch(self.folder)
        shutil.rmtree(self.folder)
        return stubborn

    def _interrupt(self, _number: int, _frame: FrameType | None) -> None:
        """End as on Ctrl-C: in order."""
        self._is_interrupted = True
        raise KeyboardInterrupt


class WorkersRun(Run):
    """The same run, in a worker of pytest-xdist."""

    def __init__(self, told: dict[str, Any]) -> None:
        self.folder = Path(told["run_folder"]) / told["workerid"]
        self.folder.mkdir()
        self.servers = AskedServers(told["servers"])


def begin(config: pytest.Config) -> Run:
    """Begin a run, or take part in it as a worker."""
    told = getattr(config, "workerinput", None)
    if told is not None:
        return WorkersRun(told)
    run = OwnRun()
    # Test's own folders are part of the run's: pytest would keep those of three runs.
    config.option.basetemp = config.option.basetemp or str(run.folder / "tests")
    return run


def _processes(folder: Path) -> list[psutil.Process]:
    """All processes of the run but this one, and the reaper that ends with it."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get(MARK) == str(folder) and not _is_ours(process):
                found.append(process)
    return found


def _is_ours(process: psutil.Process) -> bool:
    mine = os.getpid()
    return process.pid == mine or (
        process.ppid() == mine and process.cmdline()[-1].endswith("rapport_local/reaper.py")
    )


def _killed(processes: list[psutil.Process]) -> list[str]:
    """Kill those that still run; returns their commands."""
    killed = []
    for process in processes:
        with suppress(psutil.Error):
            if process.status() != psutil.STATUS_ZOMBIE:
                killed.append(" ".join(process.cmdline()))
                process.kill()
    psutil.wait_procs(processes, HANG_SECONDS)
    return killed


def _remove_scratch(folder: Path) -> None:
    """Delete the folders elsewhere that belonged to this one: nothing runs in them any more."""
    with suppress(ImportError):
        from rapport_local.paths import SCRATCH_ROOT  # noqa: PLC0415 - not everywhere installed

        for note in SCRATCH_ROOT.glob("rapport-*/belongs-to"):
            with suppress(OSError):  # another run's may go just now
                if Path(note.read_text()).is_relative_to(folder):
                    shutil.rmtree(note.parent)
