#!/usr/bin/env bash
# One project in three places, and whether they hold the same. Needs what .env.example names.
set -euo pipefail
cd "$(dirname "$0")"

# For what is not named in lakehouse.yaml: the bucket's credentials.
if [ -f .env ]; then
    set -a
    . ./.env
    set +a
fi

for environment in local lake warehouse; do
    lakehouse run --env "$environment"
done

lakehouse diff --env lake --against local
lakehouse diff --env warehouse --against local
