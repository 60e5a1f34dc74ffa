"""The one error shape of the API, and the one place where errors become answers.

{"error": {"code", "message", "hint", "exit_code", "problems": [...]}}
"""

import msgspec
import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from shipway.model.errors import BadInput, ControllerConflict, Denied, JournalError, NotFound, Refused, ShipwayError
from shipway.model.problems import Problem

log = structlog.get_logger(__name__)

STATUS: dict[type[ShipwayError], int] = {
    BadInput: 422,
    NotFound: 404,
    Refused: 409,
    ControllerConflict: 409,
    JournalError: 503,
}
"""HTTP status of each error; 502 for the rest: something beyond the controller failed."""


class ErrorBody(msgspec.Struct, frozen=True, kw_only=True):
    """What went wrong, for a program and for a person."""

    code: str
    message: str
    hint: str = ""
    exit_code: int = 1
    problems: tuple[Problem, ...] = ()


class ErrorAnswer(msgspec.Struct, frozen=True):
    """The error shape."""

    error: ErrorBody


def body_of(error: ShipwayError) -> ErrorBody:
    """The error as data; the CLI's ``--json`` prints the same."""
    problems = error.problems if isinstance(error, BadInput | Denied) else ()
    return ErrorBody(
        code=error.code, message=error.message, hint=error.hint, exit_code=error.exit_code, problems=problems
    )


def answer(error: ShipwayError, status: int = 0) -> Response:
    """The HTTP answer to an error of ours."""
    status = status or next((code for kind, code in STATUS.items() if isinstance(error, kind)), 502)
    return Response(msgspec.json.encode(ErrorAnswer(body_of(error))), status, media_type="application/json")


async def on_error(_request: Request, error: Exception) -> Response:
    """Starlette's handler for ours."""
    assert isinstance(error, ShipwayError)
    return answer(error)


async def on_no_route(request: Request, error: Exception) -> Response:
    """Starlette's handler for paths and methods that the API does not have."""
    assert isinstance(error, HTTPException)
    what = f"{request.method} {request.url.path[:200]}"
    if error.status_code == 404:
        return answer(
            NotFound(
                f"the API has no {what}",
                hint="Its paths begin with /v1/applications, /v1/rollouts, /v1/deployments or /v1/controller.",
            )
        )
    refused = answer(Refused(f"the API refuses {what}: {error.detail}"), error.status_code)
    refused.headers.update(error.headers or {})
    return refused


async def on_bug(request: Request, error: Exception) -> Response:
    """Starlette's handler for everything else: logged whole, answered without a traceback."""
    log.error("unexpected", path=request.url.path, exc_info=error)
    return answer(
        ShipwayError(f"unexpected {type(error).__name__}: {error}", hint="This is a bug; controller.log has it."),
        500,
    )
