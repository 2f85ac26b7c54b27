"""`--check`: one request to the emulated site, as its visitor would send it.

Stands on aiohttp. Must not know how the site is run.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from dataclasses import dataclass
from urllib.parse import quote

import aiohttp
import yarl

__all__ = ["Checked", "check"]

# Of a page that is not wanted, as much as a log can bear.
_SHOWN = 2000


@dataclass(frozen=True)
class Checked:
    """What came: `status` is 0 where nothing did, `text` the reason or the page's beginning."""

    status: int
    reason: str
    seconds: float
    text: str

    @property
    def good(self) -> bool:
        """Say whether the site answered with a status under 500."""
        return 0 < self.status < 500


async def check(origin: str, path: str, *, limit: float, tls: ssl.SSLContext | None) -> Checked:
    """Ask the site at `origin` (`http://127.0.0.1:8000`) for `path`, following no redirect.

    `limit` is the time that may take, in seconds. `tls` knows the emulator's certificate.
    """
    began = time.monotonic()
    # As a browser sends it: what no URL may hold is escaped, escapes that are there stay.
    url = yarl.URL(origin + quote(path, safe="/?%:@!$&'()*+,;=~[]"), encoded=True)
    try:
        async with (
            aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=limit), auto_decompress=True
            ) as session,
            session.get(
                url,
                allow_redirects=False,
                ssl=tls if tls is not None else True,
                headers={"Accept": "text/plain, */*;q=0.5"},
            ) as answer,
        ):
            body = await answer.content.read(_SHOWN)
            async for _ in answer.content.iter_any():
                pass
            text = body.decode("utf-8", "replace")
            return Checked(
                answer.status, answer.reason or "", time.monotonic() - began, text
            )  # fmt: skip
    except asyncio.TimeoutError:
        reason = f"no answer within {limit:g} s"
    except (aiohttp.ClientError, OSError, ValueError) as error:
        reason = f"no whole answer: {error or type(error).__name__}"
    return Checked(0, "", time.monotonic() - began, reason)
