"""Values of an instance for a role's variables: the xpaths of RoleInstanceValue.

Takes text, returns text. Must not know where an instance comes from.

Source: "xPath expressions for a role's configuration" in the Cloud Services documentation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["InstanceFacts", "resolve_xpath"]

_NAMED = re.compile(
    r"/RoleEnvironment/CurrentInstance/"
    r"(?P<group>ConfigurationSettings|LocalResources|Endpoints)/"
    r"(?P<kind>ConfigurationSetting|LocalResource|Endpoint)"
    r"\[\s*@name\s*=\s*(?P<quote>['\"])(?P<name>.*?)(?P=quote)\s*\]/@(?P<attribute>\w+)"
)


@dataclass(frozen=True)
class InstanceFacts:
    """The values of a running instance; `settings` may hold secrets.

    `storage` is the path of each local resource, `storage_mb` its size; `endpoints` holds protocol,
    address and port of each endpoint.
    """

    deployment_id: str
    instance_id: str
    role_name: str
    emulated: bool
    fault_domain: int = 0
    update_domain: int = 0
    settings: Mapping[str, str] = field(default_factory=dict, repr=False)
    storage: Mapping[str, str] = field(default_factory=dict)
    storage_mb: Mapping[str, int] = field(default_factory=dict)
    endpoints: Mapping[str, tuple[str, str, int]] = field(default_factory=dict)


def resolve_xpath(xpath: str, facts: InstanceFacts) -> str | None:
    """Return the value that an xpath selects, or None if it is unknown or selects nothing."""
    text = xpath.strip()
    instance = "/RoleEnvironment/CurrentInstance/@"
    simple = {
        "/RoleEnvironment/Deployment/@id": facts.deployment_id,
        "/RoleEnvironment/Deployment/@emulated": "true" if facts.emulated else "false",
        f"{instance}id": facts.instance_id,
        f"{instance}roleName": facts.role_name,
        f"{instance}faultDomain": str(facts.fault_domain),
        f"{instance}updateDomain": str(facts.update_domain),
    }
    if text in simple:
        return simple[text]
    found = _NAMED.fullmatch(text)
    if found is None:
        return None
    if found["group"].removesuffix("s") != found["kind"]:
        return None
    return _of_named(facts, found["kind"], found["name"]).get(found["attribute"])


def _of_named(facts: InstanceFacts, kind: str, name: str) -> dict[str, str | None]:
    """Return the attributes of a named setting, local resource or endpoint, by attribute name."""
    if kind == "ConfigurationSetting":
        return {"value": facts.settings.get(name)}
    if kind == "LocalResource":
        size = facts.storage_mb.get(name)
        return {
            "path": facts.storage.get(name),
            "sizeInMB": None if size is None else str(size),
        }
    if kind == "Endpoint" and name in facts.endpoints:
        protocol, address, port = facts.endpoints[name]
        return {
            "protocol": protocol,
            "address": address,
            "port": str(port),
            "publicPort": str(port),
        }
    return {}
