"""Serving with waitress."""
