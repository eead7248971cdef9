#!/bin/sh
# Back up the databases of the suite into a new folder, each as a dump of pg_dump that is consistent in itself:
#   deploy/backup/backup.sh /backups/2027-02-03
# Reads DATABASE_URL_<SERVICE>, or DATABASE_DIRECT_URL_<SERVICE> where there is a pooler. The suite may run meanwhile.
set -eu

folder=${1:?name the folder to write to}
umask 077
mkdir "$folder"
env | sed -n 's/^DATABASE_URL_\([A-Z0-9_]*\)=.*/\1/p' | sort > "$folder/services"
[ -s "$folder/services" ] || { echo "set DATABASE_URL_<SERVICE> for each service" >&2; exit 2; }
while read -r service; do
  eval "url=\${DATABASE_DIRECT_URL_$service:-\$DATABASE_URL_$service}"
  pg_dump --format=custom --compress=6 --no-owner --no-privileges --file="$folder/$service.dump" --dbname="$url"
  echo "$service: $(wc -c < "$folder/$service.dump") bytes"
done < "$folder/services"
(cd "$folder" && sha256sum -- *.dump > SHA256SUMS)
