"""FastAPI: detected by the platform from Python 3.14 on, before that it has a startup command."""

import os

from fastapi import FastAPI

app = FastAPI()


@app.get("/")
async def read_root() -> dict[str, str]:
    """Return that the app runs, and the port in PORT."""
    return {"hello": "FastAPI", "port": os.environ["PORT"]}
