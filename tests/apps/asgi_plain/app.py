"""A plain ASGI app, started by its startup command: uvicorn comes with the image."""


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    headers = [(b"content-type", b"text/plain")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    told = f"{scope['scheme']} {scope['client'][0]}"
    await send({"type": "http.response.body", "body": told.encode()})
