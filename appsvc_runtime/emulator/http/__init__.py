"""Messages between the front end and the host behind it; the HTTP client; error pages."""
