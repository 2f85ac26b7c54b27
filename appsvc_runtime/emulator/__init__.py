"""The emulator: plays the platform on a laptop, on a project's own files.

A tool: the web process never loads it. It plays the other side, so that nothing in here may import
the middleware or the rooms it decides with. Its rooms, from what a user starts downwards:

- **the whole**: `emulation` puts the front end before a host and asks for `--check` (`checking`);
  `iishost` is IIS, as `plan` has decided (with `surroundings`, `environment`), `watching` tells it
  of changed files.
- **the front end**: `frontend`, with `listening`, `incoming`, `answering`, `answerhead`,
  `websockets` for the wire, `frontheaders`, `publicname`, `certificates`, `frontpages` for what
  App Service does to a request; `easyauth` (`signinpage`) for signing in. `hostnames` and `origins`
  keep other sites' pages out, `exposure` says what other machines can reach.
- **IIS**: `iis` takes a request through `site` (`folders`), `filtering`, `urlpaths`, `rewriting`
  (`rulereading`, `patterns`, `substitution`, `variables`) and `handlers` to a worker, or to
  `staticfiles` (`sitefiles`, `conditions`, `filebody`); `pages` say what IIS hides.
- **workers**: `workers` makes them of `commands` (`winpaths`); programs run in `children`
  (`childoutput`).
- **HttpPlatformHandler**: `httpplatform`, `platformprocess`, `readiness`, `rapidfails`, `repeats`;
  requests go through `proxy` (`passage`, `requesthead`) over connections that are `kept`
  (`headonly`, `slimtransport`).
- **FastCGI**: `fastcgipool`, `fastcgilaunch`, `fastcgiprocess`, `fastcgiconnection`,
  `fastcgiexchange`, `fastcgiwire`, `fastcgi`, `cgihead`, `fastcgiparams`, `fastcgirequest`,
  `fastcgipages`, `fastcgierrors`; `wfastcgi_child` is what the child runs to become wfastcgi.
- **Linux**: `linuxhost` builds (`..builder`) and starts what `linuxplan` has decided: `instances`
  (`affinity`, `health`) of a `container` (`warmup`, `probing`, `diagnosis`, `limits`), in the place
  that `containerspace` makes for it, with what the `image` brings, the variables of `linuxenviron`
  and the script of `runscript`; `defaultsite` (`default_application`) where no app was found.

- **Workers and WebJobs**: no visitor asks, so that `background` takes the place of `emulation`.
  `rolehost` runs the instances that `roleplan` (`rolefolders`) has read of a Cloud Service;
  `webjobs` runs, each in a `jobrun` (`jobcopy`, `joblog`), what `webjobplan` (`jobfiles`,
  `jobschedule`) has found in App_Data/jobs.

`exchange` is what passes between the front end and what stands behind it.
"""
