"""The `rapport` command: a client of the services' HTTP APIs, and nothing else."""

from __future__ import annotations

import sys
from functools import cache
from typing import Annotated, Any

import typer
import typer.main
from typer.exceptions import TyperException

import rapport_keys
from rapport_cli import (
    askings,
    audiences,
    brand,
    broadcasts,
    campaigns,
    case_desk,
    case_documents,
    case_intake,
    case_redress,
    case_rules,
    case_work,
    catalogue,
    computed,
    consent_rules,
    consents,
    contact_policy,
    contact_rules,
    coupons,
    dead_letters,
    debugger,
    due,
    duplicates,
    events,
    feeds,
    groups,
    imports,
    inbox,
    jobs,
    ledger,
    lists,
    loyalty,
    mail_paces,
    mail_pools,
    mails,
    merge_rules,
    messages,
    offers,
    opt_ins,
    outbox,
    outcomes,
    parked,
    people_files,
    plans,
    policy,
    positions,
    privacy,
    products,
    providers,
    quality,
    quarantine,
    recommendations,
    replays,
    retention,
    segment_files,
    sender_domains,
    show,
    snippets,
    sources,
    spool,
    suppressions,
    surveys,
    tasks,
    templates,
    texts,
    timeline_rules,
    topics,
    trait_rules,
    traits,
    webhooks,
)
from rapport_cli.client import Session
from rapport_cli.config import Config
from rapport_cli.errors import CliError
from rapport_cli.tokens import SCOPES, mint, required

MISUSED = 2  # exit code, as of other commands

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)
app.add_typer(sources.app, name="source")
app.command("event")(events.event)
app.command("debug")(debugger.debug)
app.command("import")(imports.import_file)
app.add_typer(jobs.app, name="job")
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(replays.app, name="replay")
app.add_typer(people_files.app, name="profile")  # with the commands of `profiles`
people_files.app.add_typer(computed.app, name="computed")
app.add_typer(duplicates.app, name="duplicates")
app.add_typer(quality.app, name="quality")
app.add_typer(merge_rules.app, name="merge-rules")
app.add_typer(timeline_rules.app, name="timeline-rules")
app.add_typer(trait_rules.app, name="trait-rules")
app.add_typer(traits.app, name="trait")
app.add_typer(groups.app, name="group")
app.add_typer(loyalty.app, name="loyalty")
app.add_typer(consents.app, name="consent")
app.add_typer(consent_rules.app, name="consent-rules")
app.add_typer(topics.app, name="topics")
app.add_typer(opt_ins.app, name="opt-in")
app.add_typer(contact_rules.app, name="contact-rules")
app.add_typer(mail_paces.app, name="mail-paces")
app.add_typer(mail_pools.app, name="mail-pools")
app.add_typer(suppressions.app, name="suppression")
app.add_typer(privacy.app, name="privacy")
app.add_typer(retention.app, name="retention")
app.add_typer(segment_files.app, name="segment")  # with the commands of `segments`
app.add_typer(lists.app, name="list")
app.add_typer(audiences.app, name="audience")
app.add_typer(webhooks.app, name="webhook")
app.add_typer(campaigns.app, name="campaign")
app.add_typer(broadcasts.app, name="broadcast")
app.add_typer(messages.app, name="message")
app.add_typer(templates.app, name="template")
app.add_typer(snippets.app, name="snippet")
app.add_typer(coupons.app, name="coupon-pool")
app.add_typer(feeds.app, name="feed")
app.add_typer(feeds.hosts, name="feed-hosts")
app.add_typer(products.app, name="product")
app.add_typer(recommendations.app, name="recommendation")
app.add_typer(recommendations.own, name="recommender")
app.add_typer(offers.app, name="offer")
app.add_typer(offers.guards, name="price-guards")
messages.app.command("prices")(offers.prices)
app.add_typer(outcomes.app, name="outcome")
app.add_typer(tasks.app, name="task")
app.add_typer(outcomes.hooks, name="hook")
app.add_typer(webhooks.outcomes, name="outcome-webhook")
app.add_typer(webhooks.feedback, name="feedback-webhook")
app.add_typer(sender_domains.app, name="sender-domain")
app.add_typer(providers.app, name="provider")
app.add_typer(providers.sms, name="sms")
app.add_typer(inbox.app, name="inbox")
app.add_typer(plans.app, name="plan")
app.add_typer(catalogue.app, name="catalogue")
app.add_typer(brand.app, name="brand")
app.add_typer(policy.app, name="policy")
app.add_typer(surveys.app, name="survey")
app.add_typer(askings.app, name="asking")
app.add_typer(contact_policy.app, name="contact-policy")
app.add_typer(case_work.app, name="case")  # with the commands of `cases`
app.add_typer(case_desk.agents, name="agent")
app.add_typer(case_desk.teams, name="team")
app.add_typer(case_desk.queues, name="queue")
app.add_typer(case_desk.views, name="case-view")
app.add_typer(case_rules.calendars, name="calendar")
app.add_typer(case_rules.policies, name="case-policy")
app.add_typer(case_intake.forms, name="complaint-form")
app.add_typer(case_intake.addresses, name="complaint-address")
app.add_typer(case_intake.origins, name="case-origin")
app.add_typer(case_intake.files, name="case-file")
app.add_typer(case_documents.templates, name="answer-template")
app.add_typer(case_documents.macros, name="case-macro")
app.add_typer(case_documents.reasons, name="case-reason")
app.add_typer(case_documents.causes, name="case-cause")
app.add_typer(case_documents.limits, name="goodwill-limit")
app.add_typer(case_documents.connectors, name="connector")
app.add_typer(case_redress.answers, name="case-answer")
app.add_typer(case_redress.whys, name="case-why")
app.add_typer(case_redress.goodwill, name="goodwill")
app.add_typer(case_redress.actions, name="corrective-action")
app.add_typer(texts.texts, name="text")
app.add_typer(texts.topics, name="text-topic")
app.add_typer(texts.models, name="text-model")
app.add_typer(mails.app, name="mail")
app.add_typer(positions.app, name="position")
app.add_typer(dead_letters.app, name="dead-letter")
app.add_typer(parked.app, name="parked")
app.add_typer(outbox.app, name="outbox")
app.add_typer(due.app, name="due")
app.add_typer(spool.app, name="spool")
app.add_typer(ledger.app, name="ledger")
Workspace = Annotated[str | None, typer.Option(help="Default: RAPPORT_WORKSPACE, else demo.")]


ABOUT_SCOPES = f"Comma separated, of {', '.join(SCOPES)}; * is all."


@app.callback()
def root(ctx: typer.Context, *, workspace: Workspace = None) -> None:
    """Work with a running Rapport from the shell."""
    ctx.obj = Session(Config.from_environment(workspace))


@app.command()
def token(
    ctx: typer.Context,
    *,
    workspace: Workspace = None,
    scopes: Annotated[str, typer.Option(help=ABOUT_SCOPES)] = "*",
    hours: Annotated[float, typer.Option(help="How long it holds.", min=0.01)] = 24,
    installation: Annotated[
        bool, typer.Option("--installation", help="For work on all workspaces: positions, …")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="As a JSON object.")] = False,
) -> None:
    """Print an operator token for the APIs (`Authorization: Bearer …`)."""
    config = show.session(ctx).config
    wanted = [one.strip() for one in scopes.split(",") if one.strip()]
    name = workspace or config.workspace
    made = mint(
        config.secret,
        name,
        scopes=wanted,
        hours=hours,
        installation=installation,
        generation=config.generation,
    )
    if json:
        show.data({"token": made, "workspace": name, "scopes": wanted, "hours": hours})
        return
    typer.echo(made)


@app.command()
def keys(
    ctx: typer.Context,
    service: Annotated[str, typer.Argument(help="One of the five services.")],
    *,
    json: Annotated[bool, typer.Option("--json", help="As a JSON object.")] = False,
) -> None:
    """Print the settings of a service that hold keys, derived from the installation's secret.

    They are secrets too: the service they are for gets them, and nobody else.
    """
    config = show.session(ctx).config
    config.url(service)  # raises unless there is such a service
    found = rapport_keys.service_settings(
        service, required(config.secret), generation=config.generation
    )
    if json:
        show.data(found)
        return
    for name, value in found.items():
        typer.echo(f"{name}='{value}'")


@cache
def command() -> Any:
    """All commands as one that can be called, made once: it takes longer than most of them."""
    return typer.main.get_command(app)


def main() -> None:
    """Run the command line; every failure ends in one line and exit code 1."""
    try:
        sys.exit(command()(prog_name="rapport", standalone_mode=False))
    except CliError as error:
        show.failure(error)
        sys.exit(1)
    except TyperException as error:
        sys.exit(_misused(error))
    except typer.Abort:
        show.failure(CliError("aborted", "Nothing was done: it was not confirmed (--yes does)."))
        sys.exit(1)
    except RecursionError:
        show.failure(CliError("too_deep", "What is given is nested too deep to be read."))
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(141)  # `rapport mail list | head`: the reader has seen enough


def _misused(error: TyperException) -> int:
    """Print what is wrong with the command and where its help is, and return the exit code."""
    said = " ".join(error.format_message().split())
    if not said:
        return 0  # a group without a command: its help has been printed
    context = getattr(error, "ctx", None)
    named = context.command_path if context else "rapport"
    show.failure(CliError("bad_usage", f"{said.rstrip('.')}. `{named} --help` shows how."))
    return MISUSED


if __name__ == "__main__":
    main()
