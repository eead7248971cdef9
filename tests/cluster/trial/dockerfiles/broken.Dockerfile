# A part that migrates as ever, but whose other processes end at once.
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
ENTRYPOINT ["/bin/sh", "-c", "[ \"$0\" = migrate ] && exec part migrate; exit 1"]
