"""The WSGI and ASGI middlewares, their decisions and their responses."""
