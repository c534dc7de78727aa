#!/bin/sh
# /usr/local/bin/invites-backup DATABASE FOLDER [DAYS]: one copy of the database as it is at this moment. Copies older
# than DAYS (14) go: they still hold guests who were erased since. Run it as somebody who may read the database.
set -eu
database=$1 folder=$2 days=${3:-14}
umask 077
file=$folder/invites-$(date -u +%Y%m%dT%H%M%SZ).dump
trap 'rm -f "$file.part"' EXIT
pg_dump --format=custom --no-owner --no-privileges --file="$file.part" "$database"
# Can it be read to its end? A copy that was cut short is none.
pg_restore --file=/dev/null "$file.part"
mv "$file.part" "$file"
find "$folder" -name 'invites-*.dump' -mtime "+$days" -delete
echo "$file"
