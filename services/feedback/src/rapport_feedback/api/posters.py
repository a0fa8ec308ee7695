"""Links for shops and web pages: codes to scan, and the script that invites on other pages."""

from pathlib import Path
from xml.sax.saxutils import escape

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common import clock
from rapport_common.routes import Router
from rapport_feedback import pages
from rapport_feedback.api.callers import Writer
from rapport_feedback.api.models import id_of
from rapport_feedback.api.survey_models import NewLink
from rapport_feedback.domain.qr_codes import svg
from rapport_feedback.handlers.surveys import Surveys

_SCRIPT = (Path(pages.__file__).parent / "templates/survey.js").read_text()
_HEADERS = {
    "Cache-Control": "public, max-age=3600",
    "X-Content-Type-Options": "nosniff",
    # It is for pages of others.
    "Cross-Origin-Resource-Policy": "cross-origin",
}


class Poster(BaseModel):
    """The link for all, and the code of it: an SVG, as it is."""

    url: str
    svg: str


def poster_routes(engine: AsyncEngine, surveys: Surveys, public_url: str) -> APIRouter:
    """/v1/surveys/{survey_id}/qr."""
    router = Router(prefix="/v1/surveys", tags=["surveys"])

    @router.post("/{survey_id}/qr")
    async def code(survey_id: str, body: NewLink, caller: Writer) -> Poster:
        """A QR code of the link for all to an anonymous survey's wave, for a poster or receipt."""
        async with engine.begin() as tx:
            chosen = id_of(survey_id, "survey")
            token, _is_new = await surveys.open_link(
                tx, caller.workspace, chosen, clock.now(), context=body.dimensions()
            )
            survey = await surveys.get(tx, caller.workspace, chosen)
        url = f"{public_url}/s/{token}"
        return Poster(url=url, svg=svg(url, escape(survey.question)))

    return router


def snippet_routes() -> APIRouter:
    """/w/survey.js."""
    router = Router(prefix="/w", tags=["pages"])

    @router.get("/survey.js", response_class=Response)
    async def script() -> Response:
        """The script for other pages; it is the same for everybody, and fetches nothing."""
        return Response(_SCRIPT, media_type="text/javascript; charset=utf-8", headers=_HEADERS)

    return router
