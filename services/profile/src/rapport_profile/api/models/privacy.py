"""The answers on what people ask for, as the schemas of the API have them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field


class ServiceAnswer(BaseModel):
    """What one service has answered: since when it holds nothing; empty until it has."""

    service: str
    at: datetime | None = None
    rows: int | None = Field(None, description="rows that it has removed or blanked")
    tables: dict[str, int] | None = Field(None, description="the same by table")


class Erasure(BaseModel):
    """A wish to be forgotten. It names nobody: only who asked, and what became of it."""

    id: UUID | None = Field(description="empty: a dry run")
    state: str = Field(description="running; done: all services have answered; or dry run")
    profile_id: UUID | None = Field(description="the profile that ended; empty: nobody had one")
    identifiers: int = Field(description="how many the person had")
    actor: str | None = None
    reason: str | None = None
    created_at: datetime | None = Field(
        None, description="what was received before this is gone, and refused if it comes again"
    )
    due_at: datetime | None = Field(None, description="until when the law wants it done")
    finished_at: datetime | None = None
    services: list[ServiceAnswer] = Field(default_factory=list)
    last_copy_expires_at: datetime | None = Field(
        None, description="when Kafka has dropped the last record about the person"
    )
    receipt: str | None = Field(
        None, description="a JWT that says so, signed; `/v1/privacy/keys` has the public key"
    )
    would_remove: dict[str, int] | None = Field(
        None, description="a dry run's: rows of profile by table, where that is known"
    )


class ServiceTold(BaseModel):
    """What a service has told of somebody; empty as long as it has not told all."""

    service: str
    at: datetime | None = None
    rows: int | None = None
    sections: dict[str, int] | None = Field(None, description="the same by section")


class Access(BaseModel):
    """A request to tell all that is known of somebody. It does not name the person."""

    id: UUID
    state: str = Field(
        description="running; ready: all services have told; incomplete: pieces were lost, ask "
        "anew; expired; or erased: the person was forgotten"
    )
    profile_id: UUID | None = Field(description="empty: nobody was known")
    identifiers: int = Field(description="how many the person had")
    actor: str
    reason: str
    created_at: datetime
    due_at: datetime = Field(description="until when the law wants it done")
    finished_at: datetime | None
    expires_at: datetime = Field(description="when what was told is destroyed")
    downloads: int = Field(description="how often the file was asked for; who did is kept")
    services: list[ServiceTold]


class Restraint(BaseModel):
    """What is not to be done with a person's data; it does not name the person."""

    id: UUID
    what: str = Field(description="processing, marketing or profiling")
    state: str = Field(description="holds, or lifted")
    profile_id: UUID | None = Field(description="the profile of then; empty: nobody was known")
    identifiers: int = Field(
        description="which have it: it goes with each of them; 0 once the person was forgotten"
    )
    actor: str
    reason: str
    created_at: datetime
    lifted_at: datetime | None
    lifted_by: str | None
    lifted_reason: str | None


class Rectification(BaseModel):
    """What an operator has put right of a person, whom it does not name."""

    id: UUID
    traits: dict[str, Any] = Field(description="as they are right; none once somebody is forgotten")
    state: str = Field(description="holds, or lifted")
    profile_id: UUID | None = Field(description="the profile of then; empty: nobody was known")
    identifiers: int = Field(
        description="which have it: it goes with each of them; 0 once the person was forgotten"
    )
    actor: str
    reason: str
    evidence: str | None
    created_at: datetime
    lifted_at: datetime | None
    lifted_by: str | None
    lifted_reason: str | None


class ReceiptKeys(BaseModel):
    """A JWKS (RFC 7517)."""

    keys: list[dict[str, str]]
