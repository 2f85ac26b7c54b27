"""The pages of sign-in and sign-out: in place of a provider's, a form asks for a name.

Pure: text in, HTML out. Must not know of sessions.
"""

from __future__ import annotations

from html import escape

__all__ = ["message_page", "sign_in_page", "sign_out_page"]

# The providers' usual names; every other one is its name in URLs with a capital letter.
_NAMES = {"aad": "Microsoft Entra ID", "github": "GitHub"}
_STYLE = (
    ":root{color-scheme:light dark}h1{line-height:1.25}"
    "body{font:16px/1.5 system-ui,sans-serif;max-width:34rem;margin:3rem auto;padding:0 1rem}"
    "label{display:block;margin-top:1rem}input,textarea{width:100%;box-sizing:border-box;"
    "font:inherit;padding:.4rem}button{margin-top:1.5rem;font:inherit;padding:.5rem 1.5rem}"
    "small{opacity:.75}"
)


def message_page(title: str, text: str = "", link: str = "") -> str:
    """Return a page with a text, and a link to `link` if there is one."""
    body = f"<p>{escape(text)}</p>\n" if text else ""
    if link:
        body += f'<p><a href="{escape(link)}">Back to the site</a></p>\n'
    return _page(title, body)


def sign_out_page(target: str) -> str:
    """Return the page that asks for confirmation; `target` is the URL to go to after sign-out."""
    return _page(
        "Sign out?",
        f"""<p>A page of another site has led you here.</p>
<form method="post" action="/.auth/logout">
<input type="hidden" name="post_logout_redirect_uri" value="{escape(target)}">
<button autofocus>Sign out</button>
</form>
""",
    )


def sign_in_page(provider: str, target: str) -> str:
    """Return the sign-in form for a provider; `target` is the URL to go to after sign-in."""
    shown = escape(provider)
    return _page(
        f"Sign in with {_NAMES.get(provider, provider.capitalize())}",
        f"""<p>This page is made by appsvc emulate: there is no password. Choose a name.</p>
<form method="post" action="/.auth/login/{shown}">
<input type="hidden" name="post_login_redirect_uri" value="{escape(target)}">
<label for="name">Name or e-mail address</label>
<input id="name" name="name" value="ann@example.com" autofocus>
<label for="roles">Roles <small>with commas between them</small></label>
<input id="roles" name="roles" value="">
<label for="claims">More claims <small>type=value, one on each line</small></label>
<textarea id="claims" name="claims" rows="3"></textarea>
<button>Sign in</button>
</form>
""",
    )


def _page(title: str, body: str) -> str:
    """Return a whole page; `body` is HTML."""
    shown = escape(title)
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{shown} (emulated)</title>
<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>
<body><h1>{shown}</h1>
{body}</body></html>
"""
