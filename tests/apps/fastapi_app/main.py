"""FastAPI: found by the platform from Python 3.14 on, before that by its startup command."""

import os

from fastapi import FastAPI

app = FastAPI()


@app.get("/")
async def read_root() -> dict[str, str]:
    """Tell that the app runs, and on which port it was to listen."""
    return {"hello": "FastAPI", "port": os.environ["PORT"]}
