"""OTEL: Application Insights and OpenTelemetry."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..check import Found, check
from ..server_command import read_server_command
from ..site import Site

_AGENT = "ApplicationInsightsAgent_EXTENSION_VERSION"
_CONNECTION = "APPLICATIONINSIGHTS_CONNECTION_STRING"
_SDKS = (
    "azure-monitor-opentelemetry", "azure-monitor-opentelemetry-exporter", "opencensus-ext-azure",
    "applicationinsights", "opentelemetry-sdk", "opentelemetry-distro",
)  # fmt: skip


@check("OTEL-01", "The agent's packages come before the site's", "error", looks_at="settings files",
       source="microsoft/Oryx#2685, read 2026-11-30")  # fmt: skip
def otel_01(site: Site) -> Iterator[Found]:
    """Report codeless Application Insights beside FastAPI, pydantic and the like.

    The agent puts /agents/python before the site's packages. Its old typing_extensions breaks what
    needs a newer one: the import fails, and the container does not start. `appsvc serve` puts the
    agent's folder last.
    """
    if not site.settings.get(_AGENT, "").startswith("~"):
        return
    server = read_server_command(site.launch.text)
    if server is not None and server.program == "appsvc":
        return
    hit = site.requires("fastapi", "pydantic", "pydantic-settings", "openai", "typing-extensions",
                        "sqlalchemy", "starlette")  # fmt: skip
    if hit:
        yield Found(
            f"{_AGENT} is on: its old typing_extensions comes before {hit.name}'s.",
            "Start with `exec appsvc serve`, or remove the setting.",
            hit.file,
            hit.line,
        )


@check("OTEL-02", "opencensus has ended", "warning", host="any",
       source="learn.microsoft.com: Migrate from OpenCensus; PyPI")  # fmt: skip
def otel_02(site: Site) -> Iterator[Found]:
    """Report opencensus-ext-azure, which azure-monitor-opentelemetry has replaced."""
    hit = site.requires("opencensus-ext-azure", "opencensus", "applicationinsights")
    if hit:
        yield Found(
            f"{hit.name} gets no releases any more.",
            "Use azure-monitor-opentelemetry.",
            hit.file,
            hit.line,
        )


@check("OTEL-03", "Telemetry is set up twice, or for all loggers", "warning", host="any",
       source="Azure/azure-sdk-for-python#37978, #44235")  # fmt: skip
def otel_03(site: Site) -> Iterator[Found]:
    """Report several calls of configure_azure_monitor, which send everything several times.

    Also if the codeless agent is on: it makes the call itself.
    """
    calls = [
        (source.name, call.line)
        for source in site.sources.with_words("configure_azure_monitor")
        for call in source.calls()
        if call.last == "configure_azure_monitor" and not call.is_guarded
    ]
    if len(calls) > 1:
        yield Found(
            f"configure_azure_monitor() is called in {calls[0][0]} and {calls[1][0]}: telemetry is "
            "sent twice.",
            "Call it once, before the framework is imported.",
            *calls[1],
        )
    elif calls and site.setting(_AGENT).startswith("~"):
        yield Found(
            f"configure_azure_monitor() is called, and {_AGENT} does the same.",
            "Keep one of them.",
            *calls[0],
        )


@check(
    "OTEL-04",
    "Application Insights is named, and nothing sends to it",
    "note",
    looks_at="settings files",
    source="github.com/yeongseon/azure-app-service-practical-guide, 2026-05-04",
)
def otel_04(site: Site) -> Iterator[Found]:
    """Report a connection string of Application Insights without an SDK or agent that reads it."""
    if site.settings.get(_CONNECTION) and not site.settings.get(_AGENT, "").startswith("~"):
        text = "".join(text for _, text in site.sources.all_text() if "opentelemetry" in text)
        if site.requirements and not site.requires(*_SDKS) and not re.search("opentelemetry", text):
            yield Found(
                f"{_CONNECTION} is set, but no package sends telemetry.",
                "Add azure-monitor-opentelemetry, or remove the setting.",
            )
