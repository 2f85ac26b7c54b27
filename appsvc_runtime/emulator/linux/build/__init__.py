"""The platform's build on a laptop: what a deployment does to a site before it is started.

A tool: the web process never loads it. Works on a copy, never on the user's files. From what a
user starts downwards:

- `cli`: the command `appsvc build`. `build`: the steps in order, and what is kept from the last
  build. `install`: `antenv` and its packages.
- `steps`: which steps a folder and its settings make, and why. `requirements`: the file that names
  the packages. `local_sources`: what it names on this disk; `contents`: whether that has changed.
- `run_step`: one step, streamed and timed, ended with all that it started.
- `copy`: the copy, changes only. `listing`: what there is to copy. `progress`: what a long copy
  shows. `threads`: how a copy that is given up is waited for.
- `output_folder`: the folder that is written to, for one build at a time. `state`: what a build
  leaves there for the next one.
- `own_package`: this package, for pip, where an index did not give it. `made_once`: what all builds
  share. `environment`: what a step sees of this machine.
"""
