"""Serving with gunicorn."""
