@echo off
rem ps.cmd SCRIPT.ps1 [ARG ...]: runs a PowerShell script of this folder, its output into
rem LogFiles\SCRIPT.ps1.txt of the role's diagnostic store and its errors into SCRIPT.ps1.err.txt.
setlocal
cd /d "%~dp0"
if not defined DiagnosticStore set "DiagnosticStore=%TEMP%"
if not exist "%DiagnosticStore%\LogFiles" mkdir "%DiagnosticStore%\LogFiles"
set "LOG=%DiagnosticStore%\LogFiles\%~1"
powershell.exe -NoProfile -NonInteractive -ExecutionPolicy Bypass -File %* >>"%LOG%.txt" 2>>"%LOG%.err.txt"
exit /b %ERRORLEVEL%
