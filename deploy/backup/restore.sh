#!/bin/sh
# Restore what backup.sh wrote into databases that are empty, each in one transaction:
#   deploy/backup/restore.sh /backups/2027-02-03
# Nothing of the suite may run. Afterwards: start it, `<service> state request` for each service, verify the audit logs.
set -eu

folder=${1:?name the folder to read from}
(cd "$folder" && sha256sum --check --quiet SHA256SUMS)
connect() {
  eval "url=\${DATABASE_DIRECT_URL_$1:-\${DATABASE_URL_$1:?}}"
}
while read -r service; do
  connect "$service"
  tables=$(psql --no-psqlrc --tuples-only --no-align --dbname="$url" \
    --command="SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
  [ "$tables" = 0 ] || { echo "the database of $service is not empty: nothing was restored" >&2; exit 1; }
done < "$folder/services"
while read -r service; do
  connect "$service"
  pg_restore --exit-on-error --single-transaction --no-owner --no-privileges --dbname="$url" "$folder/$service.dump"
  echo "$service restored"
done < "$folder/services"
