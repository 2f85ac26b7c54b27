"""Logs of builds, deployments and IIS."""

from __future__ import annotations

from .shape import shape

__all__ = ["SHAPES"]

SHAPES = (
    shape(
        "no-requirements",
        r"Could not find setup\.py or requirements\.txt|Not running pip install",
        "the build finds no requirements at the top of what was deployed",
        "Deploy the folder that has requirements.txt, or set CUSTOM_REQUIREMENTSTXT_PATH.",
        "BLD-01",
    ),
    shape(
        "no-version",
        r"Could not find a version that satisfies the requirement (?P<name>\S+)|"
        r"No matching distribution found for (?P<other>\S+)",
        "{name}{other} has no release for this Python and system",
        "Choose another version, or another Python.",
        "BLD-11",
    ),
    shape(
        "conflict",
        "ResolutionImpossible|"
        "[Cc]annot install .{0,300} because these package versions have conflicting|"
        "No solution found when resolving",
        "two packages want different releases of a third",
        "Look at the lines above for both names; loosen one of the pins.",
        "BLD-10",
    ),
    shape(
        "compiler",
        r"error: command '?(?:gcc|cc|x86_64-linux-gnu-gcc|cl\.exe)|unable to execute '?gcc|"
        r"Microsoft Visual C\+\+ 14|Failed building wheel for (?P<name>\S+)",
        "a package has no wheel for this Python and has to be compiled {name}",
        "Choose a release that has one (`appsvc doctor` names packages), or another Python.",
        "BLD-11",
    ),
    shape(
        "hash",
        "THESE PACKAGES DO NOT MATCH THE HASHES",
        "a package's hash is not the pinned one",
        "Make the requirements anew.",
        "BLD-10",
    ),
    shape(
        "editable",
        r"(?P<name>(?<!\S)\S{1,300}) (?:is not a valid editable requirement|"
        "does not appear to be a Python project)|Invalid requirement: '?(?P<line>[^']+)",
        "a line of the requirements cannot be read or is not there: {name}{line}",
        "Name a release; save the file as UTF-8.",
        "BLD-03",
    ),
    shape(
        "python-version",
        "Platform 'python' version '(?P<version>[^']+)' is unsupported|"
        "requires a different Python: (?P<other>.+)",
        "the project asks for another Python {version}{other}",
        "Change the site's version or the project's.",
        "PY-02",
    ),
    shape(
        "collectstatic",
        r"manage\.py collectstatic.{0,300}(?:failed|exited|[Ee]rror)|DISABLE_COLLECTSTATIC(?!=)",
        "collectstatic has failed, and the build went on",
        "Set STATIC_ROOT, or what the settings read; DISABLE_COLLECTSTATIC=true leaves it out.",
        "BLD-12",
    ),
    shape(
        "unauthorized",
        "(?:401|Unauthorized).{0,300}(?:scm|kudu|publish|zipdeploy)|(?:scm|zipdeploy|"
        "publish).{0,300}(?:401|Unauthorized)",
        "the SCM site refuses the sign-in: basic authentication is off for new sites",
        "Use OpenID Connect with azure/login.",
        "AUTH-03",
    ),
    shape(
        "deployment-running",
        "(?:409|Conflict).{0,300}(?:deploy|scm)|There is a deployment currently in progress|"
        "Another deployment is in progress",
        "another deployment is still running",
        "Wait for it; do not change app settings meanwhile.",
        "",
    ),
    shape(
        "locked-file",
        "ERROR_FILE_IN_USE|being used by another process",
        "a file is in use by the running site",
        "Stop the site first, or set WEBSITE_RUN_FROM_PACKAGE=1.",
        "",
    ),
    shape(
        "wfastcgi-handler",
        "Error occurred while reading WSGI handler",
        "wfastcgi cannot import WSGI_HANDLER",
        "Look at the traceback below; WSGI_HANDLER is module.attribute, and PYTHONPATH has "
        "the site.",
        "IIS-01",
    ),
    shape(
        "script-processor",
        "scriptProcessor.{0,300}(?:could not be found|not found).{0,300}fastCGI|0x80070585",
        "the FastCGI application is not registered",
        "Run `wfastcgi-enable`, or add it to <fastCgi> with the same path and arguments.",
        "IIS-01",
    ),
    shape(
        "fastcgi-exit",
        "FastCGI process exited unexpectedly|0x800700e9|0xc0000135",
        "the Python process ended before it answered",
        "Check the path of python.exe and wfastcgi.py, and the rights of the app pool's user.",
        "IIS-01",
    ),
    shape(
        "no-python-exe",
        "0x80070002|The system cannot find the (?:file|path) specified",
        "the program in web.config is not there",
        "Correct processPath or scriptProcessor.",
        "IIS-01",
    ),
    shape(
        "section-locked",
        "0x80070021|This configuration section cannot be used at this path",
        "a section of web.config is locked in IIS",
        "Unlock it: `appcmd unlock config -section:system.webServer/handlers`.",
        "IIS-01",
    ),
    shape(
        "no-handler-module",
        r"0x8007000d|has a bad module \"?(?P<name>\w+)\"? in its module list",
        "web.config needs a module that is not installed {name}",
        "Install HttpPlatformHandler, or IIS's CGI feature.",
        "IIS-01",
    ),
    shape(
        "platform-timeout",
        r"502\.3|HttpPlatformHandler.{0,300}(?:timed? ?out|failed to start)|0x80072ee2",
        "the program did not listen on its port in time",
        "Pass %HTTP_PLATFORM_PORT% to it, raise startupTimeLimit, and look at stdoutLogFile.",
        "IIS-04",
    ),
    shape(
        "job-cron",
        "[Ii]nvalid (?:schedule|cron)|CRON expression",
        "a WebJob's schedule is not valid",
        "It has six fields, the first are seconds.",
        "JOB-03",
    ),
    shape(
        "job-aborted",
        "Command '.{1,300}' was aborted due to no output nor CPU activity",
        "a WebJob was ended because it was idle for too long",
        "Print something, or set WEBJOBS_IDLE_TIMEOUT.",
        "",
    ),
)
