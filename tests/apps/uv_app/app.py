"""Its dependencies are in pyproject.toml and uv.lock."""


def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"uv"]
