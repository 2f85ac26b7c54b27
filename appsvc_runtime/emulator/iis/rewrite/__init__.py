"""IIS's URL Rewrite."""
