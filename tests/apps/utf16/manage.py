"""Never called for collectstatic."""
