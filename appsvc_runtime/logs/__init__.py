"""Logging: set-up, handlers, formats, and the current request of a log line."""
