"""IIS: from a request to a handler."""
