"""granian."""
