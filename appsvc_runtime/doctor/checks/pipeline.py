"""CLI, COMP, CS: commands of pipelines, and services that end."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..check import Found, check
from ..site import Site

_SCRIPTS = (".yml", ".yaml", ".sh", ".ps1", ".azcli", "Makefile", "justfile")
_ENDED = {
    r"az\s+webapp\s+up\b": "`az webapp create` and `az webapp deploy --type zip`",
    r"az\s+webapp\s+deployment\s+source\s+config-zip\b": "`az webapp deploy --type zip`",
}


@check("CLI-01", "A command of the pipeline is deprecated", "warning", host="any",
       source="Azure/azure-cli#33410, #28466")  # fmt: skip
def cli_01(site: Site) -> Iterator[Found]:
    """Report `az webapp up` and `config-zip`, which newer commands replace."""
    for name in site.tree.ending(*_SCRIPTS):
        if name.endswith((".yml", ".yaml")) and name.count("/") > 3:
            continue
        text = site.text(name)
        for pattern, instead in _ENDED.items():
            for found in re.finditer(rf"(?m)^[^#\n]*?({pattern})", text):
                yield Found(
                    f"`{' '.join(found[1].split())}` is deprecated.",
                    f"Use {instead}.",
                    name,
                    text.count("\n", 0, found.start(1)) + 1,
                )


@check("COMP-01", "Docker Compose on App Service ends", "warning", host="any",
       source="AD: multi-container apps retire on 2027-03-31")  # fmt: skip
def comp_01(site: Site) -> Iterator[Found]:
    """Report pipelines that deploy a compose file; sidecars replace them."""
    for name in site.tree.ending(*_SCRIPTS):
        text = site.text(name)
        found = re.search(
            r"multicontainer-config-type\s+COMPOSE|multicontainer-config-file", text, re.I
        )
        if found:
            yield Found(
                "Multi-container apps with Compose end on 2027-03-31.",
                "Use sidecars.",
                name,
                text.count("\n", 0, found.start()) + 1,
            )


@check(
    "CS-01",
    "Cloud Services end",
    "warning",
    host="worker",
    source="learn.microsoft.com: Cloud Services (extended support) retires on 2027-03-31",
)
def cs_01(site: Site) -> Iterator[Found]:
    """Report projects of Cloud Services, which end on 2027-03-31.

    A worker role's script runs unchanged as a continuous WebJob.
    """
    for name in site.tree.files:
        if name.lower().endswith(".csdef"):
            yield Found(
                "Cloud Services (extended support) end on 2027-03-31.",
                "Move the worker to a continuous WebJob, or to Container Apps.",
                name,
            )
            return
