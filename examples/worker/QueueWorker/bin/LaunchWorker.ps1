# Runs Python in the role root with this script's own arguments: the role's entry point.
# Python is what PYTHON names, else what ConfigureCloudService.ps1 has put here.
$python = $env:PYTHON
if (-not $python) {
    $python = Join-Path $PSScriptRoot 'python*\tools\python.exe' |
        Get-Item -ErrorAction SilentlyContinue | Select-Object -First 1 -ExpandProperty FullName
}
if (-not $python) {
    [Console]::Error.WriteLine('There is no Python: set PYTHON, or see ConfigureCloudService.ps1.txt.')
    exit 1
}
Set-Location (Split-Path $PSScriptRoot)
& $python $args
exit $LASTEXITCODE
