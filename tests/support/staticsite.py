"""A small site of files, with secrets beside it and in it, and a function that requests files."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from types import MappingProxyType

from multidict import CIMultiDict

from appsvc_runtime.emulator.http.messages import Answer, Request
from appsvc_runtime.emulator.http.url_paths import encode_path
from appsvc_runtime.emulator.iis.static_files import etag, serve
from appsvc_runtime.emulator.iis.webconfig.model import Config, DefaultDocument, StaticContent

TYPES = {".txt": "text/plain", ".css": "text/css", ".html": "text/html", ".config": "text/xml"}
CONFIG = Config(
    static_content=StaticContent(MappingProxyType(TYPES), cache_control="max-age=60"),
    default_document=DefaultDocument(files=("Default.html", "index.html")),
)
SECRET = b"SECRET-OUTSIDE"
HIDDEN = b"HIDDEN-CONFIG"
TEXT = b"0123456789"
TIME = 1_159_241_729  # Tue, 26 Sep 2006 03:35:29 GMT
TAG = etag(TIME * 10**9)
DATE = "Tue, 26 Sep 2006 03:35:29 GMT"
LATER = "Wed, 27 Sep 2006 03:35:29 GMT"
EARLIER = "Mon, 25 Sep 2006 03:35:29 GMT"


def make_site(folder: Path) -> Path:
    """Make a site with blanks in its folder's name, and secrets beside it."""
    root = folder / "my sité"
    for folder in ("sub/inner", "empty", "ünï"):
        (root / folder).mkdir(parents=True)
    (root.parent / "outside.txt").write_bytes(SECRET)
    (root.parent / "my sité2").mkdir()
    (root.parent / "my sité2" / "outside.txt").write_bytes(SECRET)
    for name in ("Web.config", "sub/web.config"):
        (root / name).write_bytes(HIDDEN)
    for name in ("a.txt", "sub/B b.txt", "ünï/é.txt", "noextension", "x.unknown", "Case.TXT"):
        (root / name).write_bytes(TEXT)
        os.utime(root / name, (TIME, TIME))
    (root / "empty.txt").write_bytes(b"")
    (root / "index.html").write_bytes(b"index")
    (root / "sub" / "index.html").write_bytes(b"sub index")
    return root


def ask(
    site: Path,
    path: str,
    method: str = "GET",
    config: Config = CONFIG,
    *,
    target: str = "",
    secure: bool = False,
    lines: list[tuple[str, str]] | None = None,
    **headers: str,
) -> tuple[Answer, bytes]:
    """Return a response and its whole body."""
    pairs = [(name.replace("_", "-"), value) for name, value in headers.items()]
    request = Request(
        method, target or encode_path(path), CIMultiDict(lines or pairs), secure=secure
    )

    async def get() -> tuple[Answer, bytes]:
        answer = await serve(site, path, config, request)
        if isinstance(answer.body, bytes):
            return answer, answer.body
        return answer, b"".join([chunk async for chunk in answer.body])

    answer, body = asyncio.run(get())
    if method != "HEAD" and answer.status != 304:
        assert answer.headers["Content-Length"] == str(len(body))
    return answer, body


def number(answer: Answer) -> str:
    """Return status and substatus as the response's note gives them."""
    return answer.note.partition(":")[0] or str(answer.status)
