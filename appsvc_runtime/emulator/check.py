"""`--check`: one request to the emulated site, as a client sends it.

Uses aiohttp. Must not know how the site is run.
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

# The most that is printed of an unexpected response, in bytes.
_SHOWN = 2000


@dataclass(frozen=True)
class Checked:
    """The result: `status` is 0 without a response; `text` is why, or the start of the body."""

    status: int
    reason: str
    seconds: float
    text: str

    @property
    def good(self) -> bool:
        """Return whether the site responded with a status under 500."""
        return 0 < self.status < 500


async def check(origin: str, path: str, *, limit: float, tls: ssl.SSLContext | None) -> Checked:
    """Send GET `path` to the site at `origin` (`http://127.0.0.1:8000`), following no redirect.

    `limit` is the timeout in seconds. `tls` trusts the emulator's certificate.
    """
    began = time.monotonic()
    # As a browser sends it: characters that no URL may contain are escaped, existing escapes stay.
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
        reason = f"no response within {limit:g} s"
    except (aiohttp.ClientError, OSError, ValueError) as error:
        reason = f"no complete response: {error or type(error).__name__}"
    return Checked(0, "", time.monotonic() - began, reason)
