"""The `appsvc` command."""
