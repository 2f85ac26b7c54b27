"""A package in a subfolder, where nobody looks: the site shows the default page."""


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"the shop"]
