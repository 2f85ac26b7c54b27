"""Why a container does not start, or refuses probes: what it printed, and what lies in the site."""
