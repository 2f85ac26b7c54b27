"""IIS's HttpPlatformHandler."""
