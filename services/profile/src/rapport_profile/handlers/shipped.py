"""Definitions for shops that come with Rapport, as data: see `domain/computed/shop.json`."""

from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

from rapport_profile.domain.computed.definition import Definition


class Shipped(msgspec.Struct, frozen=True):
    """A definition that comes with Rapport, and what it says of a person."""

    name: str
    description: str
    definition: Definition


@cache
def shipped() -> dict[str, Shipped]:
    """All of them, by name, in the order of the file."""
    data = files("rapport_profile").joinpath("domain/computed/shop.json").read_bytes()
    return {one.name: one for one in msgspec.json.decode(data, type=list[Shipped])}


def in_zone(one: Definition, zone: str) -> Definition:
    """The same with the days of a zone."""
    return msgspec.structs.replace(one, zone=zone)


def as_document(one: Definition) -> dict[str, Any]:
    """A definition as the API shows it: without what is as usual."""
    document: dict[str, Any] = msgspec.to_builtins(one)
    return document
