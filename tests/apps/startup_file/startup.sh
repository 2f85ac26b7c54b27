#!/bin/sh
cd /home/site/wwwroot
export MARK=script
exec gunicorn --chdir /home/site/wwwroot --bind=0.0.0.0:8000 site_app
