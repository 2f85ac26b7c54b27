"""From the name of an app to its object."""
