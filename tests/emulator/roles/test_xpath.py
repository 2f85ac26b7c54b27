"""The xpaths by which a role's variables get values of its instance."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appsvc_runtime.emulator.roles.xpath import InstanceFacts, resolve_xpath

FACTS = InstanceFacts(
    deployment_id="d(1)",
    instance_id="d(1).S.W_IN_0",
    role_name="W",
    emulated=True,
    fault_domain=1,
    update_domain=3,
    settings={"Storage": "key", "it's": "quoted", "": "nameless"},
    storage={"cache": "/tmp/cache/"},
    storage_mb={"cache": 10},
    endpoints={"web": ("tcp", "127.0.0.1", 8080)},
)
INSTANCE = "/RoleEnvironment/CurrentInstance/"
SETTINGS = f"{INSTANCE}ConfigurationSettings/ConfigurationSetting"
ENDPOINT = f"{INSTANCE}Endpoints/Endpoint[@name='web']/@"


@pytest.mark.parametrize(
    ("xpath", "expected"),
    [
        ("/RoleEnvironment/Deployment/@id", "d(1)"),
        ("/RoleEnvironment/Deployment/@emulated", "true"),
        (" /RoleEnvironment/Deployment/@emulated\n", "true"),
        (f"{INSTANCE}@id", "d(1).S.W_IN_0"),
        (f"{INSTANCE}@roleName", "W"),
        (f"{INSTANCE}@faultDomain", "1"),
        (f"{INSTANCE}@updateDomain", "3"),
        (f"{INSTANCE}ConfigurationSettings/ConfigurationSetting[@name='Storage']/@value", "key"),
        (f'{INSTANCE}ConfigurationSettings/ConfigurationSetting[@name="Storage"]/@value', "key"),
        (f'{INSTANCE}ConfigurationSettings/ConfigurationSetting[@name="it\'s"]/@value', "quoted"),
        (f"{SETTINGS}[ @name = 'Storage' ]/@value", "key"),
        (f"{INSTANCE}LocalResources/LocalResource[@name='cache']/@path", "/tmp/cache/"),
        (f"{INSTANCE}LocalResources/LocalResource[@name='cache']/@sizeInMB", "10"),
        (f"{ENDPOINT}port", "8080"),
        (f"{ENDPOINT}publicPort", "8080"),
        (f"{ENDPOINT}address", "127.0.0.1"),
        (f"{ENDPOINT}protocol", "tcp"),
        (f"{ENDPOINT}colour", None),
        (f"{INSTANCE}ConfigurationSettings/ConfigurationSetting[@name='None']/@value", None),
        (f"{INSTANCE}ConfigurationSettings/ConfigurationSetting[@name='Storage\"]/@value", None),
        (f"{INSTANCE}ConfigurationSettings/Endpoint[@name='web']/@port", None),
        (f"{INSTANCE}LocalResources/LocalResource[@name='none']/@path", None),
        (f"{INSTANCE}LocalResources/LocalResource[@name='none']/@sizeInMB", None),
        (f"{INSTANCE}Endpoints/Endpoint[@name='none']/@port", None),
        ("//Deployment/@id", None),
        ("", None),
    ],
    ids=str,
)  # fmt: skip
def test_xpath(xpath: str, expected: str | None) -> None:
    """The documented ones return their values; others return None."""
    assert resolve_xpath(xpath, FACTS) == expected


@given(xpath=st.text(max_size=80))
def test_any_text(xpath: str) -> None:
    """No text raises an exception."""
    assert resolve_xpath(xpath, FACTS) is None or xpath.strip().startswith("/RoleEnvironment/")


def test_settings_are_no_part_of_a_repr() -> None:
    """They hold keys."""
    assert "key" not in repr(FACTS)
