"""Started by a startup command in a file: `startup.sh`, or the first line of `startup.txt`."""

import os


def application(environ, start_response):
    told = f"{os.getcwd()} {environ['SERVER_PORT']} {os.environ.get('MARK', '')}"
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [told.encode()]
