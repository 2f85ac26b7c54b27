"""The WSGI and ASGI middlewares, and what they decide and respond with."""
