"""The form in place of a provider's sign-in: who would you like to be?

Pure: text in, HTML out. Must not know of sessions.
"""

from __future__ import annotations

from html import escape

__all__ = ["sign_in_page"]

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:34rem;margin:3rem auto;padding:0 1rem}"
    "label{display:block;margin-top:1rem}input,textarea{width:100%;box-sizing:border-box;"
    "font:inherit;padding:.4rem}button{margin-top:1.5rem;font:inherit;padding:.5rem 1.5rem}"
    "small{color:#555}"
)


def sign_in_page(provider: str, target: str) -> str:
    """Give the form for a provider; `target` is where the visitor wants to go then."""
    shown = escape(provider)
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Sign in with {shown} (emulated)</title>
<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>
<body><h1>Sign in with {shown}</h1>
<p>Emulated: there is no password. Say who you would like to be.</p>
<form method="post" action="/.auth/login/{shown}">
<input type="hidden" name="post_login_redirect_uri" value="{escape(target)}">
<label for="name">Name or e-mail address</label>
<input id="name" name="name" value="ann@example.com" autofocus>
<label for="roles">Roles <small>with commas between them</small></label>
<input id="roles" name="roles" value="">
<label for="claims">More claims <small>type=value, one on each line</small></label>
<textarea id="claims" name="claims" rows="3"></textarea>
<button>Sign in</button>
</form></body></html>
"""
