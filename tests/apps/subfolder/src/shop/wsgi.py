"""A package in a subfolder that detection does not search: the site shows the default page."""


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"the shop"]
