"""What stands directly in a service's package has the same name everywhere, and one meaning."""

import ast
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from rapport_common.events import topics
from rapport_common.events.topics import SERVICES

FILES = {
    "__init__.py": "nothing: the package",
    "__main__.py": "run and migrate",
    "app.py": "the composition root: which parts one process is made of",
    "consumer.py": "which topic goes to which handler",
    "metrics.py": "every Prometheus metric of its own",
    "py.typed": "the mark of typed packages",
    "retention.py": "how long the rows of each table are kept",
    "settings.py": "what an operator can set",
    "tables.py": "the tables of its schema",
}
FOLDERS = {
    "api": "HTTP: routes and their models",
    "domain": "the rules: pure functions and frozen types",
    "handlers": "the use cases: what topics, requests, jobs and times call for",
    "store": "every SQL statement",
}
_PAGES = {
    "locale": "the words of its pages by language",
    "pages.py": "the pages that people see",
    "templates": "their HTML",
}
EXTRA: Mapping[str, Mapping[str, str]] = {
    "ingest": {
        "background.py": "its workers, which are many, by the half of the process that has them",
        "bridge": "a protocol of its own, MQTT, beside HTTP",
        "edge": "its own protocol, and the connections that several processes share",
        "intake.py": "its hot routes are plain ASGI",
        "routes.py": "which address speaks which dialect, for intake and API alike",
        "spool.py": "where events wait while Kafka is silent",
        "use_cases.py": "its use cases, which hold each other: one of each in a process",
    },
    "campaign": {
        "announcer.py": "the worker that posts to webhooks what became of messages",
        "background.py": "its workers, by the half of the process that has them",
        "channels": "the providers of all channels but e-mail, behind one contract",
        "domains.py": "the worker that looks again at the records of sender domains",
        "fetching.py": "the HTTPS by which certificates of vendors come",
        "intake": "where mails come back: a mail server, and a look into a mailbox",
        "journal.py": "which mails of a batch were begun, for who comes after a kill",
        "nursery.py": "forks the processes that render, which share what they need with ours",
        "render": "mails of templates: pure, as the domain is",
        "renderer.py": "renders in a process of its own, which may take only so long",
        "resolving.py": "the DNS by which sender domains are checked",
        "sender.py": "the worker that sends",
        "smtp": "the protocol by which it does",
        **_PAGES,
    },
    "feedback": _PAGES,
    "segment": {
        "sender.py": "the worker that sends",
    },
}
WITHOUT = {"ingest": {"consumer.py": "it applies no topic but `privacy`, which all services do"}}
"""What a service does not have, and why."""

MOST_LINES = 60
"""Of a composition root: a page."""

RECORDS = ("Struct", "NamedTuple", "Enum", "StrEnum", "Protocol", "TypedDict", "BaseModel")


def wrong_names(package: Path, service: str) -> list[str]:
    """What stands in a package, or does not, against the list; each with what to do."""
    expected = {*FILES, *FOLDERS, *EXTRA.get(service, {})} - WITHOUT.get(service, {}).keys()
    found = {
        # A file that has outgrown its size is a folder of the same name.
        grown if (grown := f"{path.name}.py") in FILES else path.name
        for path in package.iterdir()
        if path.is_file() or any(one.is_file() for one in path.rglob("*") if not _is_left(one))
    }
    unknown = [
        f"{service}: {name} is no name of the house: put it into {'/, '.join(FOLDERS)}/, "
        "or say in EXTRA what it is and why only this service has it"
        for name in sorted(found - expected)
    ]
    missing = [f"{service}: {name} is missing" for name in sorted(expected - found)]
    forms = [
        f"{service}: {name} is a file; it is a folder everywhere"
        for name in sorted(FOLDERS.keys() & found)
        if not (package / name).is_dir()
    ]
    return unknown + missing + forms


def _is_left(path: Path) -> bool:
    return "__pycache__" in path.parts


@pytest.mark.parametrize("service", SERVICES)
def test_second_level_names_are_those_of_the_house(root: Path, service: str) -> None:
    found = wrong_names(root / "services" / service / "src" / f"rapport_{service}", service)
    assert not found, "\n".join(found)


def test_a_wrong_second_level_name_is_named(tmp_path: Path) -> None:
    for name in FILES:
        (tmp_path / name).touch()
    for name in FOLDERS:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
    assert wrong_names(tmp_path, "profile") == []
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "app.cpython-311.pyc").touch()
    assert wrong_names(tmp_path, "profile") == [], "what Python leaves behind is nobody's name"
    (tmp_path / "tables.py").unlink()
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "__init__.py").touch()
    assert wrong_names(tmp_path, "profile") == [], "it has outgrown its file"
    (tmp_path / "app.py").rename(tmp_path / "main.py")
    (tmp_path / "handlers" / "__init__.py").unlink()
    (tmp_path / "handlers").rmdir()
    (tmp_path / "handlers.py").touch()
    unknown, other, gone, lost = wrong_names(tmp_path, "profile")
    assert unknown.startswith("profile: handlers.py is no name of the house")
    assert other.startswith("profile: main.py is no name of the house")
    assert (gone, lost) == ("profile: app.py is missing", "profile: handlers is missing")


def test_the_page_on_architecture_tells_every_name(root: Path) -> None:
    names = {*FILES, *FOLDERS, *(name for extra in EXTRA.values() for name in extra)}
    text = (root / "ARCHITECTURE.md").read_text().partition("## What stands in a service")[2]
    told = set(re.findall(r"`([a-z_]+(?:\.py)?)/?`", text))
    assert names - told <= {"__init__.py", "py.typed"}


def test_no_extra_name_is_one_of_the_common_ones() -> None:
    for extra in EXTRA.values():
        assert not {*FILES, *FOLDERS} & extra.keys()


@pytest.mark.parametrize("service", SERVICES)
def test_a_composition_root_is_a_page(root: Path, service: str) -> None:
    app = root / "services" / service / "src" / f"rapport_{service}" / "app.py"
    assert len(app.read_text().splitlines()) <= MOST_LINES


def strangers(package: Path) -> list[str]:
    """Subscriptions whose handler does not stand where the topic says.

    `segment.membership` is handled by `on_membership` in handlers/membership.py.
    """
    found: list[str] = []
    tree = ast.parse((package / "consumer.py").read_text())
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Subscription":
            name = getattr(topics, ast.unparse(node.args[0])).name
            word = name.rpartition(".")[2]
            module = package / "handlers" / f"{word}.py"
            is_there = f"{package.name}.handlers.{word}" in imported
            if not is_there or f"async def on_{word}(" not in module.read_text():
                found.append(f"{name}: its handler is on_{word} in handlers/{word}.py")
    return found


@pytest.mark.parametrize("service", [one for one in SERVICES if one not in WITHOUT])
def test_the_handler_of_a_topic_has_its_last_word(root: Path, service: str) -> None:
    found = strangers(root / "services" / service / "src" / f"rapport_{service}")
    assert not found, "\n".join(found)


def test_a_handler_that_stands_elsewhere_is_named(tmp_path: Path) -> None:
    package = tmp_path / "rapport_made_up"
    (package / "handlers").mkdir(parents=True)
    (package / "handlers" / "activity.py").write_text("async def on_activity(batch, tx): ...")
    (package / "consumer.py").write_text(
        "from rapport_made_up.handlers.activity import on_activity\n"
        "SUBSCRIPTIONS = [\n"
        "    Subscription(PROFILE_ACTIVITY, on_activity), Subscription(EVENTS, on_activity)\n"
        "]\n"
    )
    assert strangers(package) == ["events: its handler is on_events in handlers/events.py"]


def unkept(source: str) -> list[str]:
    """What in a module of handlers breaks the rule of functions and classes.

    A use case is a function that takes the transaction first; or last, if others bind what is
    before it or call it as a handler. It is a class only if it holds something that is made at
    the start, so that its `__init__` takes something. Records and errors are free.
    """
    found: list[str] = []
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef) and not (_is_record(node) or _holds_something(node)):
            found.append(f"{node.name} holds nothing: its methods are functions")
        elif isinstance(node, ast.AsyncFunctionDef) and not node.name.startswith("_"):
            names = [one.arg for one in node.args.args]
            if "tx" in names[1:-1]:
                found.append(f"{node.name} takes the transaction neither first nor last")
    return found


def _is_record(node: ast.ClassDef) -> bool:
    bases = [ast.unparse(one).rpartition(".")[2] for one in node.bases]
    marks = [ast.unparse(one).partition("(")[0] for one in node.decorator_list]
    is_error = any(one.endswith(("Error", "Exception")) for one in bases)
    return is_error or "dataclass" in marks or bool(set(bases) & set(RECORDS))


def _holds_something(node: ast.ClassDef) -> bool:
    made = [one for one in node.body if getattr(one, "name", "") == "__init__"]
    return any(
        isinstance(one, ast.FunctionDef) and len(one.args.args + one.args.kwonlyargs) > 1
        for one in made
    )


def test_handlers_are_functions_or_hold_something(root: Path) -> None:
    found = [
        f"{path.relative_to(root)}: {problem}"
        for path in root.glob("services/*/src/*/handlers/**/*.py")
        for problem in unkept(path.read_text())
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("source", "problems"),
    [
        ("class Sending:\n    async def send(self, tx): ...", 1),
        ("class Sending:\n    def __init__(self): self.now = now", 1),
        ("class Sending:\n    def __init__(self, key): ...", 0),
        ("class Sending:\n    def __init__(self, *, key): ...", 0),
        ("@dataclass(frozen=True)\nclass Sent:\n    key: str", 0),
        ("class Sent(msgspec.Struct, frozen=True):\n    key: str", 0),
        ("class LostError(NotFoundError):\n    code = 'lost'", 0),
        ("async def send(tx, key): ...", 0),
        ("async def on_requests(batch, tx): ...", 0),
        ("async def send(key, tx, now): ...", 1),
    ],
)
def test_a_handler_that_breaks_the_rule_is_named(source: str, problems: int) -> None:
    assert len(unkept(source)) == problems
