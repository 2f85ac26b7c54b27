"""The cost of health requests for pages: ``python -m benchmarks.health``.

Each server serves an app whose one health check takes 4.5 s. 200 clients request `/healthz` at
once; meanwhile one client requests a page again and again, for 6 s. Printed are the median and the
longest time of a page, without those 200 clients and with them.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path
from statistics import median

from tests.support.servers import serving

CLIENTS, SECONDS = 200, 6.0
CHECK = """
import asyncio, time
from appsvc_runtime import AppServiceASGIMiddleware, AppServiceMiddleware, Health
health = Health(checks={"slow": lambda: time.sleep(4.5)})
"""
WSGI = f"""{CHECK}
def site(environ, start_response):
    start_response("200 OK", [("Content-Length", "4")])
    return [b"page"]
app = AppServiceMiddleware(site, health=health)
"""
# A page that takes a thread, as plain functions of FastAPI do.
ASGI = f"""{CHECK}
async def site(scope, receive, send):
    body = await asyncio.to_thread(bytes, b"page")
    headers = [(b"content-length", b"4")]
    await send({{"type": "http.response.start", "status": 200, "headers": headers}})
    await send({{"type": "http.response.body", "body": body}})
app = AppServiceASGIMiddleware(site, health=health)
"""
SIDES = {
    "gunicorn": ("gunicorn", WSGI),
    "waitress": ("waitress", WSGI),
    "granian": ("granian", WSGI),
    "granian, ASGI": ("granian", ASGI),
    "uvicorn": ("uvicorn", ASGI),
}


async def request(port: int, path: str) -> float:
    """Send one request, and return the seconds until the whole response was received."""
    began = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")
    taken = time.perf_counter() - began
    writer.close()
    return taken


async def pages(port: int, clients: int) -> list[float]:
    """Return how long each page took while so many clients request `/healthz`."""
    load = [asyncio.create_task(request(port, "/healthz")) for _ in range(clients)]
    over = time.perf_counter() + SECONDS
    taken = []
    while time.perf_counter() < over:
        taken.append(await request(port, "/page"))
        await asyncio.sleep(0.02)
    await asyncio.gather(*load)
    return taken


def measure(server: str, source: str) -> str:
    """Return a row of the table."""
    cells = []
    for clients in (0, CLIENTS):
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "app.py").write_text(source)
            command = ("-m", "appsvc_runtime", "serve", "app:app", "--server", server)
            listen = ("--host", "127.0.0.1", "--port", "{port}")
            platform = {"WEBSITE_SITE_NAME": "x", "WEBSITE_INSTANCE_ID": "y", "APPSVC_WORKERS": "1"}
            with serving(*command, *listen, cwd=Path(folder), **platform) as served:
                taken = asyncio.run(pages(served.port, clients))
        cells += [f"{median(taken) * 1000:.1f} ms", f"{max(taken) * 1000:.0f} ms"]
    return " | ".join(cells)


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.parse_args()
    print("| Server | page, median | longest | with 200 health requests, median | longest |")
    print("|---|---|---|---|---|")
    for name, (server, source) in SIDES.items():
        print(f"| {name} | {measure(server, source)} |", flush=True)


if __name__ == "__main__":
    main()
