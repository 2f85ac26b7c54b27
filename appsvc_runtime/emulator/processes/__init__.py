"""Child processes: their output, variables and folders; watching files."""
