# The image of one part of the suite: `docker build --build-arg PART=leads .`; `make images` builds all of them.
# One image serves, works and migrates: its arguments are those of the part's command.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

# What all parts run on, locked, each file proven by its hash. Nothing is built from source.
FROM ${PYTHON_IMAGE} AS wheels
# How the index is reached where the network has rules of its own; pip knows these names.
ARG PIP_INDEX_URL
ARG PIP_CERT
WORKDIR /build
# Any version does: it only takes debug symbols out of libraries, and does not reach the image.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install --yes --no-install-recommends binutils && rm -rf /var/lib/apt/lists/*
COPY requirements/runtime.lock requirements/
RUN pip download --quiet --no-cache-dir --no-deps --only-binary=:all: --require-hashes \
      --requirement requirements/runtime.lock --dest wheels

FROM wheels AS common
COPY deploy/images/assemble.py ./
COPY libs/chassis/pyproject.toml libs/chassis/
COPY libs/protos/pyproject.toml libs/protos/
RUN python assemble.py common

FROM common AS own
ARG PART
COPY services services
COPY gateway gateway
RUN python assemble.py "${PART}"

# The system without what installs software: nothing is installed any more, and whoever breaks in finds less.
FROM ${PYTHON_IMAGE} AS system
COPY deploy/images/trim.sh /
RUN sh /trim.sh && rm /trim.sh

# The layers that all images share.
FROM scratch AS shared
# There is nothing yet that it could overwrite.
# hadolint ignore=DL3067
COPY --from=system / /
ENV PATH=/opt/crm/bin:/usr/local/bin:/usr/bin:/bin LANG=C.UTF-8 HOME=/tmp
# The images are without eventlet's own resolver of names.
ENV PYTHONPATH=/app PYTHONUNBUFFERED=1 MALLOC_ARENA_MAX=2 EVENTLET_NO_GREENDNS=yes
COPY --from=common /opt/crm /opt/crm
COPY libs/chassis/chassis /app/chassis
COPY libs/protos/crm /app/crm
RUN --mount=type=bind,source=deploy/images/compile.py,target=/compile.py python /compile.py chassis

FROM shared
ARG PART
COPY --from=own /own /
RUN --mount=type=bind,source=deploy/images/compile.py,target=/compile.py python /compile.py chassis "${PART}"
ENV PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
WORKDIR /tmp
ENTRYPOINT ["part"]
