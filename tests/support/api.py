"""The API of a service in a test: the house's, but patient with a machine that has other work."""

from dataclasses import replace

from fastapi import FastAPI
from tests.support.waiting import HANG_SECONDS

from rapport_common.door import Bounds
from rapport_common.http import Health, create_app
from rapport_common.testing.credentials import authenticator

PATIENT = Bounds(seconds=HANG_SECONDS)


def patient_app(service: str) -> FastAPI:
    """`create_app`, without a limit of time that only a slow machine reaches."""
    return create_app(service, Health(), authenticator(), PATIENT)


def be_patient(app: FastAPI) -> None:
    """The same of an app that a process has put together; before its first request."""
    for one in app.user_middleware:
        bounds = one.kwargs.get("bounds")
        if isinstance(bounds, Bounds):
            one.kwargs["bounds"] = replace(bounds, seconds=HANG_SECONDS)
