"""Counts in memory: with several instances each client sees a different count."""

import os

counts: dict[str, int] = {}


def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/exit":
        os.kill(os.getppid(), 9)
    counts[path] = counts.get(path, 0) + 1
    healthy = not os.path.exists(f"{os.environ['HOME']}/unhealthy")
    if path == "/health" and not healthy:
        start_response("500 Internal Server Error", [("Content-Type", "text/plain")])
        return [b"unhealthy"]
    told = f"{os.environ['WEBSITE_INSTANCE_ID'][:8]} {counts[path]} {environ['REMOTE_ADDR']} "
    told += environ["wsgi.url_scheme"]
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [told.encode()]
