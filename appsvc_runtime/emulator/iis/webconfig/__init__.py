"""web.config, read as IIS reads it: text to model and findings, levels merged for a path. Pure."""
