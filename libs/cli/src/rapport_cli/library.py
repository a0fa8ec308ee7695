"""`rapport segment library`: segments that come with Rapport."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from rapport_cli import documents, jobs, show

if TYPE_CHECKING:
    from rapport_cli.client import Api

app = typer.Typer(help="Segments that come with Rapport.", no_args_is_help=True)
PATH = "/v1/segments/library"
Values = Annotated[
    list[str] | None,
    typer.Option("--set", help="NAME=VALUE of a parameter, such as days=90; repeat it."),
]


@app.command("list")
def list_library(
    ctx: typer.Context,
    *,
    limit: show.Limit = 100,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List the segments that come with Rapport: who is in each, and by which rule."""
    answer = _api(ctx).get(PATH, limit=limit, cursor=cursor)
    show.page(answer, ["id", "description", "text"], as_json=as_json)


@app.command("show")
def show_library(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="Its id, such as lapsed_customers.")],
    *,
    values: Values = None,
    as_json: show.AsJson = False,
) -> None:
    """Show one of them with these values: its rule, and what it needs."""
    given = ["=".join(documents.named(one, "--set")) for one in values or ()]
    found = _api(ctx).get(f"{PATH}/{quote(name, safe='')}", set=given)
    if as_json:
        show.data(found)
        return
    told = ("id", "title", "description", "purpose", "text")
    needs = [f"{one['kind'].replace('_', ' ')} {one['name']}" for one in found["needs"]]
    show.pairs({**{key: found[key] for key in told}, "needs": needs})
    show.rows(found["parameters"], ["name", "kind", "value"], empty="It has no parameters.")


@app.command()
def adopt(
    ctx: typer.Context,
    names: Annotated[list[str], typer.Argument(help="Which ones, by id.")],
    *,
    values: Values = None,
    called: Annotated[
        str | None, typer.Option("--name", help="In place of its title; of one.")
    ] = None,
    draft: Annotated[bool, typer.Option(help="Nobody is in it until it is `--active`.")] = False,
    wait: Annotated[bool, typer.Option(help="Until everybody was held against the rules.")] = False,
    id_only: show.IdOnly = False,
    as_json: show.AsJson = False,
) -> None:
    """Make segments of some of them; a segment of the same name stays as it is."""
    given = dict(documents.named(one, "--set") for one in values or ())
    body = {"ids": names, "parameters": given, "active": not draft}
    api = _api(ctx)
    answer = api.post(f"{PATH}/adopt", body if called is None else {**body, "name": called})
    for one in answer["added"]:
        if wait and one["job_id"]:
            jobs.watch(api, one["job_id"], quiet=as_json or id_only)
    _told(api, answer, wait=wait, as_json=as_json, id_only=id_only)


def _told(api: Api, answer: dict[str, Any], *, wait: bool, as_json: bool, id_only: bool) -> None:
    if wait:
        answer["added"] = [api.get(f"/v1/segments/{one['id']}") for one in answer["added"]]
    found = [*answer["added"], *answer["present"]]
    if as_json:
        show.data(answer)
    elif id_only:
        for one in found:
            show.line(one["id"])
    else:
        show.rows(found, ["id", "name", "status", "members", "text"])
        for one in answer["present"]:
            show.line(f"'{one['name']}' was there already, and is as it was.")


def _api(ctx: typer.Context) -> Api:
    return show.session(ctx).api("segment")
