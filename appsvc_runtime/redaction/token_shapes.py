"""Shapes of credentials: texts that are secrets by their look, whatever their name.

Pure. Imports nothing of this package. Sources: the issuers' own documentation of their prefixes,
and gitleaks' and detect-secrets' public rules. In doubt a text counts as a secret.

Every pattern takes linear time: each repetition has a fixed or bounded length, or starts where no
other match could start. A minimum length is written as an exact one, because the rest of the text
does not matter.
"""

from __future__ import annotations

import re

__all__ = ["SHAPES", "holds_token"]

_HEX = "[0-9a-f]"
# Words that follow Bearer and Basic in prose, where they are not credentials.
_PROSE = r"(?!(?:tokens?|auth\w{0,20}|realm|scheme|usage|tier|plan|error)\b)"

# Tokens in fixed case. No letter or digit stands directly before one.
_EXACT: dict[str, str] = {
    "AWS access key": r"(?:AKIA|ASIA|ABIA|ACCA)[0-9A-Z]{12}",
    "Airtable token": r"pat[A-Za-z0-9]{14}\.[0-9a-f]{32}",
    "Anthropic, OpenAI, Stripe key": r"[rs]k[-_](?:live|test|proj|svcacct|admin|ant|or|lf)[-_]",
    "Atlassian token": r"AT[AC]TT3[\w-]{16}",
    "Azure DevOps token": (
        r"[A-Za-z0-9]{76}AZDO|(?=[a-z]{0,51}[2-7])(?=[2-7]{0,51}[a-z])[a-z2-7]{52}(?![\w-])"
    ),
    "Azure key, annotated": (
        r"[A-Za-z0-9]{52}JQQJ9[9D][A-Za-z0-9]{4}"
        r"|[A-Za-z0-9+/]{33,44}(?:AzCa|AzSe|\+ACR)[A-Za-z0-9+/]{5}"
    ),
    "Azure Functions key": r"[\w-]{44}AzFu[\w-]{5}",
    "Databricks token": rf"dapi{_HEX}{{32}}",
    "DigitalOcean token": rf"do[opr]_v1_{_HEX}{{32}}",
    "Discord bot token": r"[MNO][\w-]{23,27}\.[\w-]{6}\.[\w-]{27}",
    "Docker token": r"dckr_[op]at_[\w-]{8}",
    "Figma token": r"fig(?:d|o|or|u|ur)_[\w-]{20}",
    "GitHub fine-grained token": r"github_pat_\w",
    "GitHub token": r"gh[oprsu]_\w",
    "GitLab token": r"gl(?:pat|ptt|dt|rt|rtr|cbt|ft|soat|agent|imt|ffct|oas)-[\w-]{8}",
    "Google API key": r"AIza[\w-]{30}",
    "Google OAuth secret": r"GOCSPX-[\w-]{20}",
    "Google OAuth token": r"ya29\.[\w-]{10}",
    "Grafana token": r"gl(?:c|sa)_[A-Za-z0-9+/_-]{24}",
    "Groq key": r"gsk_[A-Za-z0-9]{20}",
    "Hugging Face token": r"hf_[A-Za-z0-9]{30}",
    "Linear key": r"lin_(?:api|oauth)_[A-Za-z0-9]{20}",
    "Mailchimp key": rf"{_HEX}{{32}}-us[0-9]{{1,2}}",
    "Mailgun key": rf"(?<![_-])key-{_HEX}{{32}}",
    "New Relic key": r"NRAK-[A-Z0-9]{20}",
    "Notion token": r"ntn_[A-Za-z0-9]{30}",
    "OpenAI key of old": r"sk-[A-Za-z0-9]{20}",
    "PlanetScale credential": r"pscale_(?:tkn|pw|oauth)_[\w.-]{20}",
    "PyPI token": r"pypi-(?:Ag[\w-]{8}|[\w-]{40})",
    "RubyGems key": rf"rubygems_{_HEX}{{32}}",
    "SendGrid key": r"SG\.[\w-]{16,32}\.[\w-]{16}",
    "Sentry token": r"sntry[su]_[A-Za-z0-9+/=_-]{20}",
    "Shopify token": r"shp(?:at|ca|pa|ss|ua)_[0-9a-fA-F]{16}",
    "Square token": r"sq0(?:atp|csp)-[\w-]{20}",
    "Stripe webhook secret": r"whsec_[A-Za-z0-9+/]{10}",
    "Supabase key": r"sb(?:p_[0-9a-f]{30}|_secret_[\w-]{20})",
    "Tailscale key": r"tskey-(?:[a-z]{1,12}-)?[A-Za-z0-9]{8}",
    "Telegram bot token": r"[0-9]{6,12}:AA[\w-]{30}",
    "Twilio key": rf"SK{_HEX}{{32}}",
    "Vault token": r"hv[bsr]\.[\w-]{20}",
    "npm token": r"npm_[A-Za-z0-9]{30}",
}  # fmt: skip
# Other credentials; each pattern says what may stand before it.
_LOOSE: dict[str, str] = {
    "private key, certificate": r"-----BEGIN|PuTTY-User-Key-File-|AGE-SECRET-KEY-1",
    "the same in base64": r"LS0tLS1CRUdJTi|MII[A-Za-z][\w+/]{1,4}IBADANBg",
    "JSON web token": r"(?<![\w-])eyJ[\w-]{10,}\.[\w.-]|\beyJ[\w-]{10,1000}\.[\w.-]",
    "credentials of a request": (
        rf"(?i:\b(?:Bearer|Basic|Negotiate|SharedKey|SharedKeyLite)\s+{_PROSE}\S)"
    ),
    "Slack token": r"(?i:\b(?:xox[a-z](?:\.xox[a-z])?-\w|xapp-[0-9]-|xwfp-[\w-]{8}))",
    "Azure AD client secret": r"[\w.~-]{3}[0-9]Q~[\w.~-]{31}",
    "Azure storage or Cosmos DB key": (
        r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/]{86}==(?![A-Za-z0-9+/=])"
    ),
    "Azure messaging key": (
        r"(?<![A-Za-z0-9+/_-])(?=[^A-Z]{0,42}[A-Z])(?=[^0-9]{0,42}[0-9])"
        r"[A-Za-z0-9+/]{43}=(?![A-Za-z0-9+/=])"
    ),
    "shared access signature": r"(?i:(?:(?<![A-Za-z0-9])|%26)sig(?:=|%3D)[\w%+/])",
    "Oracle login": r"\A[\w.-]{1,99}/\S{1,99}@",
}  # fmt: skip
# Addresses whose path is the secret: anyone who knows it may post.
_ADDRESSES: dict[str, str] = {
    "Slack webhook": r"hooks\.slack(?:-gov)?\.com/[a-z]{1,20}/\S",
    "Discord webhook": r"discord(?:app)?\.com/api/(?:v[0-9]{1,3}/)?webhooks/[0-9]{1,30}/\S",
    "Teams webhook": (
        r"\.webhook\.office(?:365)?\.(?:com|us|de)/\S|outlook\.office(?:365)?\.com/webhook"
        r"|\.logic\.azure\.(?:com|us)(?::[0-9]{1,5})?/\S{1,300}/triggers/"
        r"|\.powerplatform\.com(?::[0-9]{1,5})?/\S{1,300}/triggers/"
    ),
    "Telegram bot": r"api\.telegram\.org/(?:file/)?bot[0-9]{1,20}(?::|%3A)\S",
    "Zapier hook": r"hooks\.zapier\.com/hooks/",
    "IFTTT hook": r"maker\.ifttt\.com/\S{1,200}/key/",
    "Mattermost hook": r"://[^/\s]{1,200}/hooks/[a-z0-9]{26}(?![\w-])",
}  # fmt: skip

# By issuer, for tests and for readers of a report.
SHAPES: dict[str, str] = {
    **{name: rf"(?<![A-Za-z0-9])(?:{rule})" for name, rule in _EXACT.items()},
    **_LOOSE,
    **{name: f"(?i:{rule})" for name, rule in _ADDRESSES.items()},
}
# The first kind is one pattern, so that a text is searched once for all of them.
_PATTERNS = [
    re.compile(rf"(?<![A-Za-z0-9])(?:{'|'.join(_EXACT.values())})"),
    *(re.compile(SHAPES[name]) for name in (*_LOOSE, *_ADDRESSES)),
]


def holds_token(text: str) -> bool:
    """Return whether a text contains a credential."""
    return any(pattern.search(text) for pattern in _PATTERNS)
