"""`rapport product`: what may be recommended."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from rapport_cli import documents, show
from rapport_cli.errors import CliError

if TYPE_CHECKING:
    from rapport_cli.client import Api

app = typer.Typer(help="Products: what may be recommended.", no_args_is_help=True)
PATH = "/v1/products"
COLUMNS = ["sku", "name", "category", "price", "currency", "in_stock", "blocked", "recommendable"]
AT_ONCE = 500
FLAGS = ("in_stock", "blocked")
Sku = Annotated[str, typer.Argument(help="What the product is called in events.")]


@app.command("list")
def list_products(
    ctx: typer.Context,
    *,
    category: Annotated[str | None, typer.Option(help="Only of this one.")] = None,
    archived: Annotated[bool, typer.Option(help="Those that are archived instead.")] = False,
    limit: show.Limit = 100,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List products by their names in events."""
    answer = _api(ctx).get(
        PATH, category=category, archived=archived or None, limit=limit, cursor=cursor
    )
    show.page(answer, COLUMNS, empty="There is no product.", as_json=as_json)


@app.command("show")
def show_product(ctx: typer.Context, sku: Sku, *, as_json: show.AsJson = False) -> None:
    """Show what is known of a product."""
    _told(_api(ctx).get(_path(sku)), as_json=as_json)


@app.command("set")
def set_product(
    ctx: typer.Context,
    sku: Sku,
    document: Annotated[str, typer.Argument(help='{"name": …, "url": …}, @FILE, or -.')],
    *,
    as_json: show.AsJson = False,
) -> None:
    """Let a product be so, as a whole."""
    _told(_api(ctx).put(_path(sku), documents.read(document, "product")), as_json=as_json)


@app.command()
def mark(
    ctx: typer.Context,
    sku: Sku,
    *,
    in_stock: Annotated[bool | None, typer.Option(help="Whether it can be had.")] = None,
    blocked: Annotated[bool | None, typer.Option(help="Never recommend it.")] = None,
    as_json: show.AsJson = False,
) -> None:
    """Say whether it is in stock, and whether it may be recommended at all."""
    given = {"in_stock": in_stock, "blocked": blocked}
    body = {name: value for name, value in given.items() if value is not None}
    _told(_api(ctx).patch(_path(sku), body), as_json=as_json)


@app.command("import")
def import_products(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="CSV with a line of names, or JSON Lines.")],
    *,
    as_json: show.AsJson = False,
) -> None:
    """Put the products of a file, each as a whole; others stay as they are."""
    products = _read(file)
    api = _api(ctx)
    for start in range(0, len(products), AT_ONCE):
        api.post(f"{PATH}/import", {"items": products[start : start + AT_ONCE]})
    show.made({"saved": len(products)}, f"{len(products)} products are saved.", as_json=as_json)


@app.command()
def archive(ctx: typer.Context, sku: Sku, *, as_json: show.AsJson = False) -> None:
    """Archive a product: it is recommended no more."""
    _api(ctx).delete(_path(sku))
    show.made({"sku": sku, "archived": True}, f"Product {sku} is archived.", as_json=as_json)


def _read(file: Path) -> list[dict[str, Any]]:
    """The products of a file; in CSV an empty field is one that is not there."""
    try:
        content = file.read_text("utf-8-sig")
        if file.suffix.lower() in {".json", ".jsonl", ".ndjson"}:
            return [json.loads(line) for line in content.splitlines() if line.strip()]
        rows = csv.DictReader(io.StringIO(content), strict=True, skipinitialspace=True)
        return [_row(row) for row in rows]
    except (OSError, ValueError, csv.Error) as error:
        raise CliError("bad_file", f"{file} can't be read: {error}.") from error


def _row(row: dict[str, str | None]) -> dict[str, Any]:
    found: dict[str, Any] = {name: value for name, value in row.items() if value}
    for flag in FLAGS:
        if flag in found:
            found[flag] = found[flag].strip().lower() in {"1", "true", "yes"}
    return found


def _told(answer: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        show.data(answer)
    else:
        show.pairs(answer)


def _api(ctx: typer.Context) -> Api:
    return show.session(ctx).api("campaign")


def _path(sku: str) -> str:
    return f"{PATH}/{quote(sku, safe='')}"
