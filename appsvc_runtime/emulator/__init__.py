"""The emulator: runs a project's own files on a laptop as the platform does.

A tool: the web process never loads it. Nothing in here may import the middleware, or anything that
the middleware decides with, because the emulator plays the other side. From the entry point
downwards:

- `cli`: the command `appsvc emulate`. `run`: one emulator, the front end before a host. `check`:
  `--check`.
- `iis`: IIS, from a request to a handler. `iis.webconfig` reads web.config, `iis.rewrite` is URL
  Rewrite, `iis.httpplatform` and `iis.fastcgi` are the two handlers that run Python.
- `linux`: the Linux container, its instances and its health checks. `linux.build`: `appsvc build`.
- `roles`: worker roles of a Cloud Service. `webjobs`: the jobs in App_Data/jobs. Neither has HTTP
  clients, so both run without the front end.
- `frontend`: App Service's front end: TLS, public names, headers, WebSockets, signing in.
- `processes`: child processes, their output, variables and folders; watching files.
- `http`: the messages between the front end and a host, the HTTP client, the error pages.
- `xml`: XML as a tree with line numbers.

A host knows no other host, and imports point down this list (contracts in setup.cfg).
"""
