"""A small Starlette site: the client, the signed-in user, the health of the site."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from appsvc_runtime import AppServiceASGIMiddleware, Health, signed_in


async def visitor(request: Request) -> JSONResponse:
    known = request.scope["appsvc.request"]
    return JSONResponse(
        {
            "url": str(request.url),
            "scheme": known.scheme,
            "client": request.client.host if request.client else None,
            "forwarded_proto": request.headers.get("X-Forwarded-Proto"),
            "user": known.principal.name if known.principal else None,
        }
    )


@signed_in("aad")
async def account(request: Request) -> JSONResponse:
    who = request.scope["appsvc.request"].principal
    return JSONResponse({"id": who.id, "name": who.name, "roles": sorted(who.roles)})


app = Starlette(
    routes=[Route("/visitor.json", visitor), Route("/account", account)],
    middleware=[
        Middleware(
            AppServiceASGIMiddleware, health=Health("/healthz", checks={"app": lambda: None})
        )
    ],
)
