"""A small FastAPI site: the client, the signed-in user, the health of the site."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request

from appsvc_runtime import AppServiceASGIMiddleware, Health, signed_in

app = FastAPI()
app.add_middleware(
    AppServiceASGIMiddleware, health=Health("/healthz", checks={"app": lambda: None})
)


@app.get("/visitor.json")
async def visitor(request: Request) -> dict[str, Any]:
    known = request.scope["appsvc.request"]
    return {
        "url": str(request.url),
        "scheme": known.scheme,
        "client": request.client.host if request.client else None,
        "forwarded_proto": request.headers.get("X-Forwarded-Proto"),
        "user": known.principal.name if known.principal else None,
    }


@app.get("/account")
@signed_in("aad")
async def account(request: Request) -> dict[str, Any]:
    who = request.scope["appsvc.request"].principal
    return {"id": who.id, "name": who.name, "roles": sorted(who.roles)}
