"""Messages between the front end and what stands behind it; the HTTP client; error pages."""
