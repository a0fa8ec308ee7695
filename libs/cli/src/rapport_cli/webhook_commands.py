"""What can be done with the webhooks of any service, from the shell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from rapport_cli import show
from rapport_cli.errors import CliError

if TYPE_CHECKING:
    from rapport_cli.client import Api

Webhook = Annotated[str, typer.Argument(help="The webhook's id.")]
Url = Annotated[str, typer.Argument(help="Where to post: https://…")]
NewUrl = Annotated[str | None, typer.Option("--url", help="Where it leads from now on.")]
Active = Annotated[bool | None, typer.Option(help="While it is not active it is told of nothing.")]
Hours = Annotated[float, typer.Option(help="So long both secrets sign.", min=0, max=168)]
State = Annotated[str | None, typer.Option(help="waiting, delivered or dead.")]
Waiting = Annotated[bool, typer.Option("--waiting", help="Those that wait: --state waiting.")]
One = Annotated[str | None, typer.Option("--delivery", help="One post: its id.")]
_COLUMNS = ["id", "url", "active", "failures", "waiting", "dead"]
_PATH = "/v1/webhooks"


class WebhookGroup:
    """The commands of one service's webhooks; what it is told of is the service's to add."""

    def __init__(self, service: str, subject: str, about: str) -> None:
        """`subject`: the field of a post that names what orders it."""
        self.service = service
        self.app = typer.Typer(help=about, no_args_is_help=True)
        _looking(self)
        _delivering(self, subject)

    def api(self, ctx: typer.Context) -> Api:
        """The service's API."""
        return show.session(ctx).api(self.service)

    def made(
        self, ctx: typer.Context, body: dict[str, Any], *, as_json: bool, id_only: bool
    ) -> None:
        """Make a webhook, and print its secret this once."""
        _with_secret(self.api(ctx).post(_PATH, body), as_json=as_json, id_only=id_only)

    def changed(
        self, ctx: typer.Context, webhook: str, body: dict[str, Any], options: str, *, as_json: bool
    ) -> None:
        """Change what is given of a webhook, None of it being nothing; `options` name what can be.

        `body` may say null for a field only by `...`.
        """
        given = {key: value for key, value in body.items() if value is not None}
        if not given:
            message = f"Say what to change: --url, {options} or --no-active."
            raise CliError("nothing_to_change", message)
        told = {key: None if value is ... else value for key, value in given.items()}
        answer = self.api(ctx).patch(_path(webhook), told)
        show.made(answer, f"Webhook {answer['id']} is changed.", as_json=as_json)


def _looking(group: WebhookGroup) -> None:
    @group.app.command("list")
    def list_webhooks(
        ctx: typer.Context,
        *,
        limit: show.Limit = 100,
        cursor: show.Cursor = None,
        as_json: show.AsJson = False,
    ) -> None:
        """List webhooks, with what waits and what was given up."""
        answer = group.api(ctx).get(_PATH, limit=limit, cursor=cursor)
        show.page(answer, _COLUMNS, empty="There is no webhook.", as_json=as_json)

    @group.app.command("show")
    def show_webhook(ctx: typer.Context, webhook: Webhook, *, as_json: show.AsJson = False) -> None:
        """Show a webhook, and how it is with its receiver."""
        found = group.api(ctx).get(_path(webhook))
        if as_json:
            show.data(found)
        else:
            show.pairs(found)

    @group.app.command()
    def rotate(
        ctx: typer.Context, webhook: Webhook, *, hours: Hours = 24, as_json: show.AsJson = False
    ) -> None:
        """Give a webhook a new secret, printed this once."""
        answer = group.api(ctx).post(f"{_path(webhook)}/rotate", {"overlap_hours": hours})
        _with_secret(answer, as_json=as_json, id_only=False)

    @group.app.command()
    def archive(ctx: typer.Context, webhook: Webhook, *, as_json: show.AsJson = False) -> None:
        """Archive a webhook: what waits for it is dropped."""
        group.api(ctx).delete(_path(webhook))
        show.made({"id": webhook}, f"Webhook {webhook} is archived.", as_json=as_json)


def _delivering(group: WebhookGroup, subject: str) -> None:
    @group.app.command()
    def deliveries(
        ctx: typer.Context,
        webhook: Webhook,
        *,
        state: State = None,
        waiting: Waiting = False,
        limit: show.Limit = 20,
        cursor: show.Cursor = None,
        as_json: show.AsJson = False,
    ) -> None:
        """List posts and what came of them, the newest first."""
        asked = "waiting" if waiting else state
        path = f"{_path(webhook)}/deliveries"
        answer = group.api(ctx).get(path, state=asked, limit=limit, cursor=cursor)
        columns = ["id", subject, "state", "created_at", "attempts", "tried_at", "status", "error"]
        show.page(answer, columns, as_json=as_json)

    @group.app.command()
    def replay(
        ctx: typer.Context, webhook: Webhook, *, delivery: One = None, as_json: show.AsJson = False
    ) -> None:
        """Post again what was given up, or one post that is kept."""
        one = f"/deliveries/{quote(delivery, safe='')}" if delivery else ""
        answer = group.api(ctx).post(f"{_path(webhook)}{one}/replay")
        if as_json:
            show.data(answer)
        else:
            show.line(f"{answer['replayed']} posts are posted again.")


def _path(webhook: str) -> str:
    return f"{_PATH}/{quote(webhook, safe='')}"


def _with_secret(answer: dict[str, Any], *, as_json: bool, id_only: bool) -> None:
    told = f"Webhook {answer['id']}; its secret, shown this once: {answer.get('secret')}"
    show.made(answer, told, as_json=as_json, id_only=id_only)
