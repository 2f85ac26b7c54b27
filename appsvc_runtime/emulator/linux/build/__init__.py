"""The platform's build on a laptop: what a deployment does to a site before the site is started.

A tool: the web process never loads it. It works on a copy, never on the user's files. From the
entry point downwards:

- `cli`: the command `appsvc build`. `build`: the steps in order, and what is kept from the last
  build. `install`: `antenv` and its packages.
- `steps`: which steps a folder and its settings need, and why. `requirements`: the file that names
  the packages. `local_sources`: sources on this disk that it names; `contents`: whether these have
  changed.
- `run_step`: one step, streamed and timed, ended with all processes that it started.
- `copy`: the copy, changes only. `listing`: what there is to copy. `progress`: what a long copy
  prints. `threads`: waits for the thread of a cancelled copy.
- `output_folder`: the folder that is written to, for one build at a time. `state`: what a build
  saves there for the next build.
- `own_package`: this package, for pip, if it was not installed from an index. `made_once`: what all
  builds share. `environment`: what a step sees of this machine.
"""
