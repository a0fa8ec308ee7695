"""The `rapport` command without its start: a process that has it imported forks for each call.

To import it and what its first call needs takes two thirds of a second of processor, and the guides
call it hundreds of times.
"""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from unittest.mock import patch

READY = b"ready\n"
BROKEN = 70
"""The exit code of a call whose process has said nothing: EX_SOFTWARE of sysexits.h."""

CALLER = """#!{python} -IS
import json, os, socket, sys

with socket.socket(socket.AF_UNIX) as called:
    called.connect({place!r})
    told = {{"arguments": sys.argv[1:], "folder": os.getcwd(), "environment": dict(os.environ)}}
    # Its first byte brings standard input, output and error with it.
    socket.send_fds(called, [b" "], [0, 1, 2])
    called.sendall(json.dumps(told).encode())
    called.shutdown(socket.SHUT_WR)
    sys.exit(int(called.recv(16) or {broken}))
"""


@contextmanager
def ready_command() -> Iterator[Path]:
    """A program that does what `rapport` does, until the end of the block."""
    with tempfile.TemporaryDirectory() as folder:
        place, program = Path(folder, "socket"), Path(folder, "rapport")
        text = CALLER.format(python=sys.executable, place=str(place), broken=BROKEN)
        program.write_text(text)
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        server = [sys.executable, "-m", "tests.support.ready_command", str(place)]
        with subprocess.Popen(server, stdout=subprocess.PIPE) as process:
            try:
                assert process.stdout is not None
                assert process.stdout.readline() == READY
                yield program
            finally:
                process.terminate()


def serve(place: Path) -> None:
    """Fork for each call, for ever."""
    from rapport_cli.__main__ import command  # noqa: PLC0415 - the callers are to start without it

    command()
    _call_once()
    # Nobody waits for the processes of calls: their callers are told how they ended.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place))
        listener.listen()
        sys.stdout.buffer.write(READY)
        sys.stdout.buffer.flush()
        while True:
            calling, _ = listener.accept()
            with calling:
                if os.fork() == 0:
                    listener.close()
                    answer(calling)


def _call_once() -> None:
    """Ask a service that is not there: much is imported by the first call only."""
    nowhere = {"RAPPORT_SEGMENT_URL": "http://127.0.0.1:1", "RAPPORT_TOKEN": "none"}
    told = StringIO()
    with patch.dict(os.environ, nowhere), redirect_stdout(told), redirect_stderr(told):
        sys.argv = ["rapport", "segment", "list"]
        ended()
    if "does not answer" not in told.getvalue():
        raise RuntimeError(f"the first call said: {told.getvalue()}")


def answer(calling: socket.socket) -> None:
    """Be the process that was called: with its arguments, folder, environment and streams."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, streams, _, _ = socket.recv_fds(calling, 1, 3)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    with calling.makefile("rb") as text:
        told = json.loads(text.read())
    os.chdir(told["folder"])
    os.environ.clear()
    os.environ.update(told["environment"])
    sys.argv = ["rapport", *told["arguments"]]
    code = ended()
    calling.sendall(str(code).encode())
    os._exit(code)


def ended() -> int:
    """Run the command; its exit code."""
    from rapport_cli.__main__ import main  # noqa: PLC0415 - as above

    try:
        main()
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:  # noqa: BLE001 - as Python does with what nobody has caught
        sys.excepthook(*sys.exc_info())
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
