# Dashcam in a container: docker build -t dashcam . && docker compose up
#
# Runs as any user (--user), with a read-only root (--read-only): it writes to /data and /dev/shm only. What it needs to
# listen on all of the container's addresses, keys, it makes at the first start and shows once.

ARG PYTHON_VERSION=3.13

FROM python:${PYTHON_VERSION}-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY requirements.lock requirements-dev.lock ./
RUN python -m venv /opt/dashcam && /opt/dashcam/bin/pip install --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY proxy proxy
COPY migrations migrations
COPY config config
# What builds the wheel comes from the lock as well, by hash.
RUN awk '/^(hatchling|packaging|pathspec|pluggy|tomlkit|trove-classifiers)==/,!/\\$/' requirements-dev.lock > build.lock \
 && pip install --require-hashes -r build.lock \
 && pip wheel --no-deps --no-build-isolation --wheel-dir /wheel . \
 && /opt/dashcam/bin/pip install --no-deps --no-index /wheel/dashcam-*.whl \
 && /opt/dashcam/bin/python -m compileall -q /opt/dashcam/lib \
 && /opt/dashcam/bin/pip uninstall --yes pip

FROM python:${PYTHON_VERSION}-slim-bookworm
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="Dashcam" \
      org.opencontainers.image.description="A recording proxy for LLM calls" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}"
# Volumes that are new take over these modes, so that any user may write; what Dashcam makes below is its own (0700).
RUN groupadd --gid 10001 dashcam \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin dashcam \
 && mkdir -m 1777 /data /metrics-key
COPY --from=build /opt/dashcam /opt/dashcam
ENV PATH=/opt/dashcam/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    DASHCAM_DATA_DIR=/data/dashcam \
    DASHCAM_RUN_DIR=/dev/shm/dashcam \
    DASHCAM_HOST=0.0.0.0 \
    DASHCAM_SERVER__ALLOWED_HOSTS=localhost,dashcam \
    DASHCAM_FIRST_START_KEYS=true
WORKDIR /data
VOLUME /data
EXPOSE 8484
USER 10001:10001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
  CMD ["python", "-c", "import json, os, urllib.request as ask; url = json.load(open(os.environ['DASHCAM_DATA_DIR'] + '/instance.json'))['url']; ask.build_opener(ask.ProxyHandler({})).open(url + '/readyz', timeout=4)"]
ENTRYPOINT ["dashcam"]
CMD ["serve"]
