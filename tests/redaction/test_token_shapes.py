"""Credentials are recognised by their shape, and ordinary texts are shown.

The examples are assembled at run time, because scanners for leaked credentials search repositories.
"""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest

from appsvc_runtime.redaction.masking import mask_value
from appsvc_runtime.redaction.secret import MASK, Secret, Url, mask_url
from appsvc_runtime.redaction.token_shapes import SHAPES, holds_token
from appsvc_runtime.settings.connection_strings import parse_connection_string
from tests.support.processor_time import LONG, limit

DIGITS = "0123456789"
HEX = "0123456789abcdef" * 8
MIXED = "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7" * 6
LOWER = "abcdefghijklmnopqrstuvwxyz" * 4


def b64(size: int, end: str) -> str:
    return (MIXED * 2)[:size] + end


# By the shape in which each is found, then what it looks like.
TOKENS: dict[str, tuple[str, str]] = {
    "slack bot": ("Slack token", "xo" + "xb-" + DIGITS + "-" + MIXED[:24]),
    "slack user": ("Slack token", "xo" + "xp-" + DIGITS + "-" + DIGITS),
    "slack app": ("Slack token", "xa" + "pp-1-" + "A0" + MIXED[:20]),
    "slack rotated": ("Slack token", "xo" + "xe.xo" + "xb-1-" + MIXED[:20]),
    "sendgrid": ("SendGrid key", "S" + "G." + MIXED[:22] + "." + MIXED[:43]),
    "npm": ("npm token", "np" + "m_" + MIXED[:36]),
    "pypi": ("PyPI token", "py" + "pi-AgEIcHlwaS5vcmc" + MIXED[:60]),
    "vault": ("Vault token", "hv" + "s." + MIXED[:24]),
    "vault batch": ("Vault token", "hv" + "b.AAAAAQ" + MIXED[:60]),
    "google key": ("Google API key", "AI" + "za" + MIXED[:35]),
    "google token": ("Google OAuth token", "ya" + "29." + MIXED[:60]),
    "google secret": ("Google OAuth secret", "GOC" + "SPX-" + MIXED[:28]),
    "docker": ("Docker token", "dckr" + "_pat_" + MIXED[:27]),
    "docker organisation": ("Docker token", "dckr" + "_oat_" + MIXED[:27]),
    **{f"github {kind}": ("GitHub token", f"gh{kind}" + "_" + MIXED[:36]) for kind in "pousr"},
    "github fine-grained": ("GitHub fine-grained token", "github" + "_pat_11A" + MIXED[:60]),
    "gitlab": ("GitLab token", "gl" + "pat-" + MIXED[:20]),
    "gitlab deploy": ("GitLab token", "gl" + "dt-" + MIXED[:20]),
    "gitlab runner": ("GitLab token", "gl" + "rt-" + MIXED[:20]),
    "jwt": ("JSON web token", "ey" + "J" + MIXED[:30] + ".ey" + "J" + MIXED[:30] + "." + MIXED),
    "jwt, long head": ("JSON web token", "ey" + "J" + MIXED * 20 + ".ey" + "J" + MIXED),
    "jwe": ("JSON web token", "ey" + "J" + MIXED[:30] + ".." + MIXED[:16] + "." + MIXED),
    "pem": ("private key, certificate", "-----" + "BEGIN RSA PRIVATE KEY-----\n" + MIXED),
    "pem, one line": ("private key, certificate", "-----" + "BEGIN PRIVATE KEY-----\\n" + MIXED),
    "pem, base64": ("the same in base64", base64.b64encode(b"-----" b"BEGIN PRIVATE KEY").decode()),
    "putty": ("private key, certificate", "PuTTY-User-Key" + "-File-2: ssh-rsa"),
    "age": ("private key, certificate", "AGE-SECRET" + "-KEY-1" + MIXED[:20].upper()),
    "sas": ("shared access signature", "sv=2024-01-01&se=2030&si" + "g=" + MIXED[:43] + "%3D"),
    "sas, quoted": ("shared access signature", "a%26si" + "g%3D" + MIXED[:43]),
    "storage key": ("Azure storage or Cosmos DB key", b64(86, "==")),
    "messaging key": ("Azure messaging key", b64(43, "=")),
    "azure ad secret": ("Azure AD client secret", MIXED[:3] + "8Q" + "~" + MIXED[:34]),
    "azure ai": ("Azure key, annotated", MIXED[:52] + "JQQ" + "J99" + MIXED[:26]),
    "azure search": ("Azure key, annotated", MIXED[:42] + "Az" + "Se" + MIXED[:6]),
    "azure cache": ("Azure key, annotated", MIXED[:33] + "Az" + "Ca" + MIXED[:5] + "="),
    "azure registry": ("Azure key, annotated", MIXED[:42] + "+A" + "CR" + MIXED[:6]),
    "azure functions": ("Azure Functions key", MIXED[:44] + "Az" + "Fu" + MIXED[:5] + "A=="),
    "azure devops": ("Azure DevOps token", MIXED[:76] + "AZ" + "DO" + MIXED[:4]),
    "azure devops of old": ("Azure DevOps token", ("ab2cd3ef4gh5ij6" * 4)[:52]),
    "aws": ("AWS access key", "AK" + "IA" + "ABCDEFGHIJKLMNOP"),
    "aws, temporary": ("AWS access key", "AS" + "IA" + "ABCDEFGHIJKLMNOP"),
    "stripe": ("Anthropic, OpenAI, Stripe key", "sk" + "_live_" + MIXED[:24]),
    "stripe restricted": ("Anthropic, OpenAI, Stripe key", "rk" + "_test_" + MIXED[:24]),
    "stripe webhook": ("Stripe webhook secret", "wh" + "sec_" + MIXED[:32]),
    "openai": ("Anthropic, OpenAI, Stripe key", "sk" + "-proj-" + MIXED[:48]),
    "openai of old": ("OpenAI key of old", "sk" + "-" + MIXED[:48]),
    "anthropic": ("Anthropic, OpenAI, Stripe key", "sk" + "-ant-api03-" + MIXED[:48]),
    "hugging face": ("Hugging Face token", "h" + "f_" + MIXED[:34]),
    "groq": ("Groq key", "gs" + "k_" + MIXED[:52]),
    "databricks": ("Databricks token", "da" + "pi" + HEX[:32]),
    "digitalocean": ("DigitalOcean token", "do" + "p_v1_" + HEX[:64]),
    "discord bot": ("Discord bot token", "M" + MIXED[:23] + "." + MIXED[:6] + "." + MIXED[:27]),
    "telegram": ("Telegram bot token", DIGITS + ":A" + "A" + MIXED[:33]),
    "twilio": ("Twilio key", "S" + "K" + HEX[:32]),
    "mailgun": ("Mailgun key", "ke" + "y-" + HEX[:32]),
    "mailchimp": ("Mailchimp key", HEX[:32] + "-u" + "s12"),
    "atlassian": ("Atlassian token", "ATA" + "TT3" + MIXED[:60]),
    "airtable": ("Airtable token", "pa" + "t" + MIXED[:14] + "." + HEX[:64]),
    "shopify": ("Shopify token", "shp" + "at_" + HEX[:32]),
    "square": ("Square token", "sq0" + "atp-" + MIXED[:22]),
    "sentry": ("Sentry token", "sntr" + "ys_" + MIXED[:40]),
    "new relic": ("New Relic key", "NR" + "AK-" + MIXED[:27].upper()),
    "notion": ("Notion token", "nt" + "n_" + MIXED[:46]),
    "linear": ("Linear key", "lin" + "_api_" + MIXED[:40]),
    "grafana": ("Grafana token", "gl" + "sa_" + MIXED[:32] + "_" + HEX[:8]),
    "figma": ("Figma token", "fi" + "gd_" + MIXED[:40]),
    "planetscale": ("PlanetScale credential", "pscale" + "_pw_" + MIXED[:40]),
    "supabase": ("Supabase key", "sb" + "p_" + HEX[:40]),
    "rubygems": ("RubyGems key", "ruby" + "gems_" + HEX[:48]),
    "tailscale": ("Tailscale key", "ts" + "key-auth-" + MIXED[:12]),
    "bearer": ("credentials of a request", "Bear" + "er " + MIXED[:12]),
    "basic": ("credentials of a request", "Bas" + "ic " + base64.b64encode(b"me:pw").decode()),
    "oracle": ("Oracle login", "me/" + MIXED[:9] + "@db.example/XE"),
}  # fmt: skip
# Addresses of which the path is the secret; the marker is to be gone, the host to be there.
ADDRESSES: dict[str, tuple[str, str]] = {
    "slack": ("hooks.slack.com", "https://hooks." + "slack.com/services/T0/B0/{}"),
    "slack workflow": ("hooks.slack.com", "https://hooks." + "slack.com/workflows/T0/A0/1/{}"),
    "discord": ("discord.com", "https://" + "discord.com/api/webhooks/123456/{}"),
    "discord, version": ("discordapp.com", "https://" + "discordapp.com/api/v10/webhooks/1/{}"),
    "teams": ("me.webhook.office.com", "https://me.webhook." + "office.com/webhookb2/a@b/{}"),
    "teams of old": ("outlook.office.com", "https://outlook." + "office.com/webhook/a/{}"),
    "logic app": ("p-1.logic.azure.com:443", "https://p-1.logic." + "azure.com:443/{}/triggers/x"),
    "telegram": ("api.telegram.org", "https://api." + "telegram.org/bot123456:{}/sendMessage"),
    "zapier": ("hooks.zapier.com", "https://hooks." + "zapier.com/hooks/catch/1/{}"),
    "ifttt": ("maker.ifttt.com", "https://maker." + "ifttt.com/trigger/x/with/key/{}"),
    "mattermost": ("chat.example", "https://chat.example/hooks/" + "abcdefghijklm{}"),
}  # fmt: skip
AROUND = ["{}", "  {}\n", "token {} there", '"{}"', "a,{};", "x={}", "({})", "a\n{}\nb", "<{}>"]


def values_of(shape: str, token: str) -> list[str]:
    """Return texts in which a token is to be known."""
    values = [around.format(token) for around in AROUND]
    whole_only = shape == "Oracle login"
    return [value for value in values if value.strip() == token] if whole_only else values


# docs/security.md says how many are tried.
SUITE_CASES = {"test_tokens_are_known": sum(len(values_of(*row)) for row in TOKENS.values())}


@pytest.mark.parametrize(("shape", "token"), TOKENS.values(), ids=TOKENS)
def test_tokens_are_known(shape: str, token: str) -> None:
    """Under a name that says nothing, alone and within a text."""
    for value in values_of(shape, token):
        assert re.search(SHAPES[shape], value.strip()), value
        assert mask_value("VALUE", value) == MASK, value


def test_every_shape_has_an_example() -> None:
    """Every shape has an example here."""
    addresses = {
        name for _, text in ADDRESSES.values() for name, rule in SHAPES.items()
        if re.search(rule, text.format("abcdefghijklm"))
    }  # fmt: skip
    assert {shape for shape, _ in TOKENS.values()} | addresses == set(SHAPES)


@pytest.mark.parametrize(("host", "address"), ADDRESSES.values(), ids=ADDRESSES)
def test_addresses_that_are_secrets_show_their_host(host: str, address: str) -> None:
    """Only the host is shown: alone, in a text or list, in a Url, in a string's options."""
    marker = "s3cr3tmarker1"
    address = address.format(marker)
    for value in (
        address,
        f" {address} ",
        f"{address},https://b.example",
        f"post to {address} now",
    ):
        assert marker not in mask_value("VALUE", value)
    assert marker not in repr(Url(address))
    shown = mask_url(address)
    assert shown == MASK if "@" in address else shown == f"https://{host}/{MASK}"
    found = parse_connection_string(f"Foo=1;Bar={address}").options
    assert isinstance(found["Bar"], Secret)


ORDINARY = {
    "uuid": "123e4567-e89b-12d3-a456-426614174000",
    "uuid, squeezed": HEX[:32],
    "commit": HEX[:40],
    "sha256": HEX[:64],
    "sha512": HEX[:128],
    "short commit": "92fac69",
    "image digest": f"registry.azurecr.io/shop@sha256:{HEX[:64]}",
    "image with a tag and a digest": f"registry.azurecr.io/shop:1.2@sha256:{HEX[:64]}",
    "image": "DOCKER|registry.azurecr.io/shop:latest",
    "integrity": f"sha256-{b64(43, '=')}",
    "integrity 512": f"sha512-{b64(86, '==')}",
    "data uri": "data:image/png;base64," + base64.b64encode(bytes(range(250)) * 4).decode(),
    "path": "/home/site/wwwroot/antenv/lib/python3.12/site-packages/flask/app.py",
    "path of windows": r"D:\home\site\wwwroot\env\Scripts\python.exe",
    "long path": "/home/site/" + "some_folder/" * 20 + "file.py",
    "package": "requests==2.32.3",
    "packages": "flask>=3,<4 gunicorn>=21.2 python-json-logger",
    "locale": "sk-SK",
    "locale, encoding": "sk_SK.UTF-8",
    "host": "hvs.example.com",
    "host of slack": "https://slack.com/intl/en",
    "documentation of discord": "https://discord.com/developers/docs/resources/webhook",
    "telegram without a bot": "https://api.telegram.org/",
    "time": "2026-11-30T10:34:20.123+0000",
    "cron": "0 */5 * * * *",
    "version": "3.12.4-bookworm",
    "user agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)",
    "npm setting": "npm_config_cache",
    "npm package": "npm_package_name",
    "pip tool": "pypi-attestations",
    "tier": "Basic",
    "plan": "Basic plan",
    "prose on bearers": "bearer tokens are refused",
    "prose on logins": "basic auth and sessions",
    "word": "pat",
    "task": "task-runner-for-nightly-imports",
    "risk": "risk-live-report",
    "desk": "desk_live_view",
    "snake": "some_function_name_that_is_rather_long_and_has_no_digits_in_it",
    "long word": LOWER[:52],
    "sentence": "The quick brown fox jumps over 13 lazy dogs, again and again.",
    "numbers": "1,2,3,4,5",
    "ip": "10.0.0.0/8, 172.16.0.0/12",
    "ipv6": "2001:db8::1",
    "json": '{"retries": 3, "levels": ["a", "b"]}',
    "regex": r"^/api/v[0-9]+/(?P<id>\d+)$",
    "cache key name": "cache-entry-" + HEX[:32],
    "scope": "api://123e4567-e89b-12d3-a456-426614174000/.default",
    "resource": "/subscriptions/123e4567-e89b-12d3-a456-426614174000/resourceGroups/rg",
    "instance": HEX[:64],
    "url with a port": "https://shop.example:8443/a/b.html",
    "sig in a word": "design=flat",
    "etag": 'W/"33a64df551425fcc55e4d42a148795d9f25f89d4"',
    "trace": "00-" + HEX[:32] + "-" + HEX[:16] + "-01",
}


@pytest.mark.parametrize("text", ORDINARY.values(), ids=ORDINARY)
def test_ordinary_texts_are_shown(text: str) -> None:
    """Ordinary texts are shown: a list that hides everything helps nobody."""
    assert mask_value("VALUE", text) == text


def test_shapes_are_found_in_few_names_of_files(request: Any) -> None:
    """None of this package's own paths looks like a credential."""
    root = request.config.rootpath / "appsvc_runtime"
    assert not [path for path in root.rglob("*.py") if holds_token(str(path))]


HOSTILE = [
    "a", "-", "_", ".", "=", "A", "0", "aA0", "-eyJ", "eyJ", "eyJ.", "eyJaaaaaaaaaaa-", "sk-",
    "-sk-live", "xoxb", "xox", "AIza", "AIza-", "gh", "ghp-", "SG.", "SG.aaaaaaaaaaaaaaaaaaaaaa.",
    "npm_", "pypi-", "hvs.", "ya29.", "Bearer ", "Bearer  ", "Bearer token ", "basic\t", "sig",
    "sig%3", "Q~", "0Q~", "M.", "MMMMMMMMMMMMMMMMMMMMMMMM.", "AKIA", "-----BEGI", "fig", "~",
    "hooks.slack.com/", ".logic.azure.com/", ".logic.azure.com/a/triggers", "api.telegram.org/bot1",
    "discord.com/api/webhooks/1", "://a/hooks/", "://", "http://a/hooks/a", "1:AA", "0123456789:A",
    "key-0", "0-us", "pat.", "aB3=", "=aB3", "aB3+/", ".powerplatform.com/", "a/", "a/a@", "AZDO",
    "maker.ifttt.com/a/key", "AzFu", "a2", "dapi0", "é", " ", "\n", "SharedKey ", "SharedKeyLite ",
    "gl-", "glpat-", "glsa_", "JQQJ9", "AzSe", "+ACR",
]  # fmt: skip


def test_no_text_takes_the_square_of_its_length() -> None:
    """100,000 characters of each, alone, in an address and in a URL."""
    for part in HOSTILE:
        text = part * (LONG // len(part))
        address = f"https://h/{text}"
        with limit(part, 5):  # for three texts
            mask_value("VALUE", f"x {text}@")
            mask_value("VALUE", address)
            mask_url(address)
