"""Values that must not be shown by accident."""
