# The role's startup task: a Python where PYTHON names none, and what requirements.txt asks for.
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
$version = '3.12.10'

if ($env:EMULATED -eq 'true') {
    exit 0  # a developer's machine, where nothing is installed unasked
}
$python = $env:PYTHON
if (-not $python) {
    $folder = Join-Path $PSScriptRoot 'python'
    $python = Join-Path $folder 'tools\python.exe'
    if (-not (Test-Path $python)) {
        [Net.ServicePointManager]::SecurityProtocol = [Net.SecurityProtocolType]::Tls12
        $archive = Join-Path $env:TEMP 'python.zip'
        # Python's package for CI and services, with pip in it; a NuGet package is a zip file.
        $address = "https://www.nuget.org/api/v2/package/python/$version"
        Invoke-WebRequest -UseBasicParsing -Uri $address -OutFile $archive
        Expand-Archive -Path $archive -DestinationPath $folder -Force
    }
}
Set-Location (Split-Path $PSScriptRoot)
# Where standard error is a file, what pip says there would count as an error of this script.
$ErrorActionPreference = 'Continue'
& $python -m pip install --disable-pip-version-check --no-warn-script-location -r requirements.txt
exit $LASTEXITCODE
