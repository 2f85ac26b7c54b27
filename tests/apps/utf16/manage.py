"""Is never asked to collectstatic."""
