"""web.config, parsed as IIS does: text to model and findings, levels merged for a path. Pure."""
