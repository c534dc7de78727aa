#!/bin/sh
# /usr/local/bin/invites: a command with this installation's settings. Run it as the service's user:
#   sudo -u invites invites doctor
set -eu
set -a
. /etc/invites/invites.env
set +a
exec /opt/invites/current/bin/invites "$@"
