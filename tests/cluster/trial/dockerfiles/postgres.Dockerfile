# PostgreSQL for a trial cluster that reaches no registry, from Debian's packages. How it starts, the chart says.
ARG BASE_IMAGE=debian:bookworm-slim
FROM ${BASE_IMAGE}
# A trial takes the version that Debian has.
# hadolint ignore=DL3008
RUN groupadd --system --gid 999 postgres \
 && useradd --system --gid postgres --uid 999 --home-dir /var/lib/postgresql --shell /bin/bash postgres \
 && mkdir -p /etc/postgresql-common && echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.conf \
 && apt-get update && apt-get install --yes --no-install-recommends postgresql-15 && rm -rf /var/lib/apt/lists/*
USER 999:999
