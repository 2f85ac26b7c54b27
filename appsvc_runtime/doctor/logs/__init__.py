"""Logs that a user has: which of the known shapes they have, and what that means."""
