"""The platform's build on a laptop: what a deployment does to a site before it is started.

A tool: the web process never loads it. Works on a copy, never on the user's files. Its modules,
from what a user starts downwards:

- `building` does all of it in order: a copy, the steps, what is kept from the last build;
  `installing` is its part that makes `antenv` and puts the packages into it.
- `steps` says which steps there are for a folder and its settings, and why; `requirements` which
  file names the packages, and what of it will surprise; `localsources` what it names on this disk,
  `contents` whether that is the same as before.
- `running` runs one step: streamed, timed, ended with all that it started.
- `copying` makes the copy, and does only what has changed; `listing` is what there is to copy,
  `progress` what a long copy shows, `threads` how one that is given up is waited for.
- `output` is the folder that is written into: for one build alone; `state` is what a build leaves
  in it for the next one, true whenever that one is killed.
- `ownpackage` gives pip this very package where it was installed from a folder; `madeonce` makes
  what all builds share; `stepenviron` is what a step sees of this machine; `places` says where all
  of it lies.
"""
