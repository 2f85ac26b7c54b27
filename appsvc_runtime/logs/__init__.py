"""Logging: set-up, handlers, formats, the request of a log line."""
