"""`rapport group`: companies, households and other groups, and who is in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from rapport_cli import documents, rules, show
from rapport_cli.profiles import Kind, Value, id_of, part

if TYPE_CHECKING:
    from rapport_cli.client import Api

app = typer.Typer(help="Companies, households and other groups.", no_args_is_help=True)
PATH = "/v1/groups"
RULES = "/v1/group-rules"
GROUPS = ["id", "kind", "key", "traits", "updated_at"]
MEMBERS = ["profile_id", "joined_at", "role", "verified"]
PARTS = ["kind", "key", "joined_at", "role", "verified", "left_at", "moved"]
GroupKind = Annotated[str, typer.Argument(help="Of the group, such as company.")]
Key = Annotated[str, typer.Argument(help="The group's id where you keep it.")]
Traits = Annotated[
    str, typer.Argument(help='{"plan": "pro"}; null removes one. JSON, @FILE, or - .')
]
Reason = Annotated[str, typer.Option(help="Why; it is kept.")]

rules_of_kinds = rules.rules_app(RULES, "Kinds of groups: how many of one a person is in.")
app.add_typer(rules_of_kinds, name="rules")


@rules_of_kinds.command("set")
def set_rules(
    ctx: typer.Context,
    file: Annotated[
        str, typer.Argument(help='{"kinds": {"household": {"max_per_person": 1}}}, or - .')
    ],
    *,
    reason: rules.Reason,
    as_json: show.AsJson = False,
) -> None:
    """Let the kinds in a file hold from now on."""
    api = show.session(ctx).api("profile")
    answer = rules.put(api, RULES, rules.read(file, ["kinds"], needs="kinds"), reason)
    show.made(answer, f"Version {answer['version']} holds.", as_json=as_json)


@app.command("list")
def list_groups(
    ctx: typer.Context,
    *,
    kind: Annotated[str | None, typer.Option(help="Of this kind only.")] = None,
    limit: show.Limit = 50,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List the groups that there are."""
    answer = show.session(ctx).api("profile").get(PATH, kind=kind, limit=limit, cursor=cursor)
    show.page(answer, GROUPS, as_json=as_json)


@app.command("show")
def show_group(
    ctx: typer.Context, kind: GroupKind, key: Key, *, as_json: show.AsJson = False
) -> None:
    """Show a group: its traits, and how many are in it."""
    api = show.session(ctx).api("profile")
    found = api.get(f"{PATH}/lookup", kind=kind, key=key)
    if as_json:
        show.data(found)
    else:
        show.pairs(found)


@app.command()
def members(
    ctx: typer.Context,
    kind: GroupKind,
    key: Key,
    *,
    limit: show.Limit = 50,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List who is in a group."""
    api = show.session(ctx).api("profile")
    answer = api.get(f"{_path(api, kind, key)}/members", limit=limit, cursor=cursor)
    show.page(answer, MEMBERS, as_json=as_json)


@app.command("of")
def of_person(
    ctx: typer.Context,
    kind: Kind,
    value: Value,
    *,
    limit: show.Limit = 50,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List the groups that a person is in, or has left."""
    part(ctx, kind, value, "groups", PARTS, limit=limit, cursor=cursor, as_json=as_json)


@app.command()
def create(
    ctx: typer.Context,
    kind: GroupKind,
    key: Key,
    traits: Traits = "{}",
    *,
    reason: Reason,
    as_json: show.AsJson = False,
) -> None:
    """Make a group that nobody has spoken of yet."""
    given = {"kind": kind, "key": key, "traits": documents.read(traits, "traits")}
    answer = show.session(ctx).api("profile").post(PATH, {**given, "reason": reason})
    show.made(answer, f"There is the {kind} {key}.", as_json=as_json)


@app.command("set")
def set_traits(
    ctx: typer.Context,
    kind: GroupKind,
    key: Key,
    traits: Traits,
    *,
    reason: Reason,
    as_json: show.AsJson = False,
) -> None:
    """Give traits of a group other values; those that are left out stay."""
    api = show.session(ctx).api("profile")
    said = documents.read(traits, "traits")
    answer = api.patch(_path(api, kind, key), {"traits": said, "reason": reason})
    show.made(answer, f"{len(said)} traits.", as_json=as_json)


@app.command()
def add(
    ctx: typer.Context,
    group_kind: GroupKind,
    key: Key,
    kind: Kind,
    value: Value,
    *,
    role: Annotated[str | None, typer.Option(help="In the group, such as owner.")] = None,
    reason: Reason,
    as_json: show.AsJson = False,
) -> None:
    """Let somebody be in a group from now on."""
    more = {} if role is None else {"role": role}
    answer = _moved(ctx, (group_kind, key), (kind, value), "add", {**more, "reason": reason})
    show.made(answer, "Is in it.", as_json=as_json)


@app.command()
def remove(
    ctx: typer.Context,
    group_kind: GroupKind,
    key: Key,
    kind: Kind,
    value: Value,
    *,
    reason: Reason,
    as_json: show.AsJson = False,
) -> None:
    """Take somebody out of a group."""
    answer = _moved(ctx, (group_kind, key), (kind, value), "remove", {"reason": reason})
    show.made(answer, "Is in it no more.", as_json=as_json)


@app.command()
def archive(
    ctx: typer.Context, kind: GroupKind, key: Key, *, reason: Reason, as_json: show.AsJson = False
) -> None:
    """End a group: its traits and its list of members go."""
    api = show.session(ctx).api("profile")
    api.delete(_path(api, kind, key), reason=reason)
    show.made(
        {"kind": kind, "key": key, "archived": True},
        f"The {kind} {key} is no more.",
        as_json=as_json,
    )


def _moved(
    ctx: typer.Context,
    group: tuple[str, str],
    whose: tuple[str, str],
    what: str,
    said: dict[str, Any],
) -> dict[str, Any]:
    api = show.session(ctx).api("profile")
    body = {"profile_id": id_of(api, *whose), **said}
    return api.post(f"{_path(api, *group)}/{what}", body)


def _path(api: Api, kind: str, key: str) -> str:
    return f"{PATH}/{api.get(f'{PATH}/lookup', kind=kind, key=key)['id']}"
