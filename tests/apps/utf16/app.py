"""Its requirements.txt is UTF-16, as PowerShell writes it."""


def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"utf16"]
