"""Imports a module that its requirements lack."""

import yaml


def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [yaml.dump({}).encode()]
