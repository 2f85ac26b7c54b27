"""IIS's part of a request, from the front end to the worker that responds.

Request filtering, URL rewriting and the choice of a handler, in IIS's order; each has a module of
its own. Must not know how requests come in, or how a worker runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from multidict import CIMultiDict

from ...errors import ConfigError
from ...findings import errors
from ..http import error_pages, url_paths
from ..http.messages import Answer, Request, Tunnel
from . import handlers, request_filtering, site_files, static_files
from .rewrite import rules

if TYPE_CHECKING:
    from ...findings import Finding
    from .applications import Application
    from .site import Site
    from .webconfig.model import Config, Handler

__all__ = ["Iis", "Mapped"]

_COMPILED = 256
_TITLES = {
    400: "Bad request",
    403: "Forbidden",
    404: "Not found",
    405: "Method not allowed",
    413: "Content too large",
    431: "Header too long",
    500: "Server error",
}


@dataclass(frozen=True)
class Mapped:
    """The facts for a worker: the configuration of the path, its handler, the decoded path.

    `application` is the one that the path leads to, whose processes respond.
    """

    application: Application
    config: Config
    handler: Handler
    kind: handlers.Kind
    path: str
    script: str


class Iis:
    """The web server of one site; the front end calls `ask`.

    `work` responds to requests for a handler of HttpPlatform or FastCGI.
    """

    def __init__(
        self, site: Site, work: Callable[[Request, Mapped], Awaitable[Answer | Tunnel]]
    ) -> None:
        self._site = site
        self._work = work
        folders = dict.fromkeys(each.folder for each in site.applications.all)
        looks = [site_files.exists_as(folder) for folder in folders]
        self._is_file = _any_of([is_file for is_file, _ in looks])
        self._is_directory = _any_of([is_directory for _, is_directory in looks])
        # By id(): the site returns the same configuration object until its `forget` is called.
        self._rules: dict[int, tuple[Config, rules.CompiledRules]] = {}

    def forget(self) -> None:
        """Read the site's web.config files again."""
        self._site.forget()
        self._rules.clear()

    async def ask(self, request: Request) -> Answer | Tunnel:
        """Return the response to a request, whatever it contains."""
        try:
            return await self._ask(request)
        except request_filtering.BodyTooLargeError as error:
            return _refuse(
                request, request_filtering.Refusal(error.status, error.substatus, str(error))
            )
        except ConfigError as error:
            return _unusable(request, str(error))

    async def _ask(self, request: Request) -> Answer | Tunnel:
        try:
            path = url_paths.decode_path(request.target)
        except url_paths.BadPathError as error:
            return _refuse(request, request_filtering.Refusal(400, 0, str(error)))
        config = self._config(request, path)
        if isinstance(config, Answer):
            return config
        limits = config.request_filtering
        refusal = request_filtering.refuse(
            limits, path, request.target, request.headers, request.length
        )
        if refusal is not None:
            return _refuse(request, refusal)
        if request.length is None:
            request.body = request_filtering.LimitedBody(
                request.body, limits.max_allowed_content_length
            )
        if config.rules:
            answer = await self._rewrite(request, path, config)
            if isinstance(answer, Answer):
                return answer
            if answer.rewritten:
                path = answer.path
                refusal = request_filtering.refuse_path(limits, path)
                if refusal is not None:
                    return _refuse(request, refusal)
                config = self._config(request, path)
                if isinstance(config, Answer):
                    return config
        return await self._handle(request, path, config)

    def _config(self, request: Request, path: str) -> Config | Answer:
        """Return the configuration for a path, or IIS's error page if it cannot be used."""
        config, findings = self._site.config(path)
        wrong = errors(findings)
        return _broken(request, wrong) if wrong else config

    async def _handle(self, request: Request, path: str, config: Config) -> Answer | Tunnel:
        mapped = self._map(request, path, config)
        if not isinstance(mapped, Mapped):
            return mapped
        located = self._site.locate(path)
        folder, below = located.application.folder, located.below
        above = path[: len(path) - len(below)]
        if mapped.kind == "static" and path.endswith("/"):
            # Another handler may take a folder's default document: index.py, for example.
            try:
                document = static_files.default_document(folder, below, config)
            except OSError:
                document = None
            if document is not None:
                mapped = self._map(request, above + document, config)
                if not isinstance(mapped, Mapped):
                    return mapped
        if mapped.kind == "static":
            return await static_files.serve(folder, below, config, request, above=above)
        return await self._work(request, mapped)

    def _map(self, request: Request, path: str, config: Config) -> Mapped | Answer:
        """Return the handler that takes a path, or an error page if none does."""
        choice = handlers.choose(
            config.handlers, path, request.method, self._file_at, self._directory_at
        )
        if isinstance(choice, request_filtering.Refusal):
            return _refuse(request, choice)
        kind = handlers.kind(choice.handler)
        if kind == "other":
            return _refuse(
                request,
                request_filtering.Refusal(
                    500,
                    21,
                    f"{choice.handler.place}: the handler {choice.handler.name!r} needs the module "
                    f"{choice.handler.modules!r}, which is not emulated.",
                ),
            )
        application = self._site.locate(path).application
        return Mapped(application, config, choice.handler, kind, path, choice.script)

    async def _rewrite(self, request: Request, path: str, config: Config) -> rules.Outcome | Answer:
        """Apply the rules; return their outcome, or the response if they end the request."""
        compiled = self._compile(config, self._site.locate(path).application)
        wrong = errors(compiled.findings)
        if wrong:
            return _broken(request, wrong)
        facts = self._facts(request, path)
        # In a thread, so that a slow expression holds up its own request only.
        outcome = await asyncio.to_thread(compiled.apply, facts)
        if outcome.kind != "pass":
            return _outcome_answer(request, outcome)
        if outcome.rewritten:
            request.headers["X-Original-URL"] = facts.original_url
            query = f"?{outcome.query}" if outcome.query else ""
            request.target = url_paths.encode_path(outcome.path) + query
        return outcome

    def _compile(self, config: Config, application: Application) -> rules.CompiledRules:
        known = self._rules.get(id(config))
        if known is None:
            if len(self._rules) >= _COMPILED:
                self._rules.clear()
            compiled = rules.compile_rules(config.rules, application.path)
            known = self._rules[id(config)] = (config, compiled)
        return known[1]

    def _facts(self, request: Request, path: str) -> rules.Facts:
        _, query = url_paths.split_target(request.target)
        return rules.Facts(
            path=path,
            query=query,
            unencoded_url=request.target,
            method=request.method,
            host=request.headers.get("Host", ""),
            secure=request.secure,
            headers=request.headers,
            remote_addr=request.client,
            remote_port=request.client_port,
            server_port=443 if request.secure else 80,
            site=str(self._site.locate(path).application.folder),
            physical=self._physical,
            is_file=self._is_file,
            is_directory=self._is_directory,
        )

    def _physical(self, path: str) -> str:
        located = self._site.locate(path)
        return site_files.physical_path(located.application.folder, located.below)

    def _file_at(self, path: str) -> bool:
        return self._is_file(self._physical(path))

    def _directory_at(self, path: str) -> bool:
        return self._is_directory(self._physical(path))


def _any_of(looks: list[Callable[[str], bool]]) -> Callable[[str], bool]:
    """Return a function that returns whether any of these does for a file path."""
    return looks[0] if len(looks) == 1 else lambda path: any(look(path) for look in looks)


def _refuse(request: Request, refusal: request_filtering.Refusal) -> Answer:
    title = _TITLES.get(refusal.status, "Refused")
    headers = {"Allow": static_files.FILE_METHODS} if refusal.status == 405 else None
    return error_pages.answer(
        request, refusal.status, refusal.substatus, title, refusal.text, headers=headers
    )


def _broken(request: Request, why: list[Finding]) -> Answer:
    told = "\n".join(f"{each.where}: {each}" for each in why)
    return _unusable(request, told)


def _unusable(request: Request, why: str) -> Answer:
    return error_pages.answer(request, 500, 19, "The configuration cannot be used", why)


def _outcome_answer(request: Request, outcome: rules.Outcome) -> Answer:
    """Return the response for a rule that ends a request."""
    note = f"rewrite rule {outcome.rule!r}"
    if outcome.kind == "redirect":
        headers = CIMultiDict({"Location": outcome.location, "Content-Length": "0"})
        return Answer(outcome.status, headers, note=note)
    if outcome.kind == "abort":
        return Answer(0, reset=True, note=note)
    if outcome.kind == "error":
        return _refuse(request, request_filtering.Refusal(500, 50, outcome.description))
    made = error_pages.answer(
        request,
        outcome.status or 500,
        outcome.sub_status,
        outcome.reason or _TITLES.get(outcome.status, "Custom response"),
        outcome.description or f"The {note} sets this response.",
    )
    made.reason = outcome.reason
    made.note = note
    return made
