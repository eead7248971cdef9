# RabbitMQ for a trial cluster that reaches no registry, from Debian's packages. How it starts, the chart says.
ARG BASE_IMAGE=debian:bookworm-slim
FROM ${BASE_IMAGE}
# A trial takes the version that Debian has.
# hadolint ignore=DL3008
RUN groupadd --system --gid 999 rabbitmq \
 && useradd --system --gid rabbitmq --uid 999 --home-dir /var/lib/rabbitmq --shell /bin/bash rabbitmq \
 && apt-get update && apt-get install --yes --no-install-recommends rabbitmq-server && rm -rf /var/lib/apt/lists/*
USER 999:999
