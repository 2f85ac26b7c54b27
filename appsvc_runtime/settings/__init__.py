"""App settings and the `APPSVC_*` options, typed."""
