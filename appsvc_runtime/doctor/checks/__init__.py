"""The checks of `appsvc doctor`, a file for each group of ids."""
