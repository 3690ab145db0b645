# Sonoloop in a container: the server on CPU, or on a GPU with the NVIDIA container runtime.
FROM python:3.11-slim-bookworm

RUN useradd --create-home --uid 10001 sonoloop \
    && mkdir -p /srv/sonoloop /studies /workspace \
    && chown sonoloop /srv/sonoloop /studies /workspace
WORKDIR /srv/sonoloop

COPY requirements.txt ./
RUN pip install --no-cache-dir --no-deps -r requirements.txt

# Where the image keeps the viewer that /ohif/ shows.
ENV SONOLOOP_VIEWER_CACHE=/srv/sonoloop/viewer

COPY pyproject.toml README.md LICENSE ./
COPY lib ./lib
COPY apps ./apps
COPY sample-data ./sample-data
RUN pip install --no-cache-dir --no-deps --no-build-isolation -e . \
    && chown -R sonoloop apps \
    && sonoloop viewer install

USER 10001
EXPOSE 8000
VOLUME ["/studies", "/workspace"]
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/info/', timeout=4)"]

# Inside a container the port must be bound to every address; publish it to loopback only, or put a
# proxy that knows its users in front (docs/operations.md).
ENTRYPOINT ["sonoloop", "serve", "--host", "0.0.0.0", "--behind-proxy", "--workspace", "/workspace"]
CMD ["--studies", "/studies"]
