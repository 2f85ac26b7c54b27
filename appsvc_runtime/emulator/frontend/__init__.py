"""App Service's front end."""
