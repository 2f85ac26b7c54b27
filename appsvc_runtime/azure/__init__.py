"""What Azure calls things, and which host this is. Pure."""
