#!/bin/sh
# /usr/local/bin/invites-restart [SITE]: starts every process anew, one at a time, without a failed request.
# Each server is taken out of nginx first, so that nothing is sent to it while it ends. When one does not come up it stays
# out, the others go on as they were, and this ends with an error.
set -eu
site=${1:-/etc/nginx/conf.d/invites.conf}

mark() { # PORT WORD: nginx's mark on a server, or none
    sed -i "s/^\( *server 127\.0\.0\.1:$1 max_fails=0\)[^;]*;/\1$2;/" "$site"
    systemctl reload nginx
}

for port in $(sed -n 's/^ *server 127\.0\.0\.1:\([0-9]*\) max_fails=0.*;/\1/p' "$site"); do
    mark "$port" " down"
    sleep 5 # for the answers that nginx is still waiting for
    systemctl restart "invites-serve@$port" # comes back when it is ready
    mark "$port" ""
done

for worker in $(systemctl list-units --plain --no-legend 'invites-worker@*' | cut -d ' ' -f 1); do
    systemctl restart "$worker"
done
