"""FastCGI under IIS."""
