# Targets: service (the default), training, gpu (both, with CUDA), mlflow, orthanc. How they are used: docs/deployment.md.
# What changes seldom comes first: after a change of the code only the last small layers are made again.

FROM python:3.11-slim-bookworm AS base
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp
RUN useradd --system --uid 10001 --no-create-home --home-dir /tmp lunar \
    && install --directory --owner=10001 --group=10001 /var/lib/lunar
WORKDIR /app

# One environment an image, from hashed locks, compiled: a read-only container cannot do so later. The cache of pip
# stays outside of the image. Everything is a wheel, so no image ever has a compiler.
FROM base AS installer
ENV PIP_ONLY_BINARY=:all: \
    PIP_PYTHON=/opt/venv/bin/python \
    PIP_REQUIRE_HASHES=1 \
    PIP_ROOT_USER_ACTION=ignore
RUN python -m venv --without-pip /opt/venv

# With LOCK=requirements-dicom.lock the service reads and writes DICOM.
FROM installer AS service-packages
ARG LOCK=requirements.lock
COPY ${LOCK} service.lock
RUN --mount=type=cache,target=/tmp/.cache/pip pip install --compile -r service.lock

FROM installer AS training-packages
COPY requirements-training.lock ./
RUN --mount=type=cache,target=/tmp/.cache/pip pip install --compile -r requirements-training.lock

FROM installer AS gpu-packages
COPY requirements-gpu.lock ./
RUN --mount=type=cache,target=/tmp/.cache/pip pip install --compile -r requirements-gpu.lock

FROM installer AS mlflow-packages
COPY requirements-mlflow.lock ./
RUN --mount=type=cache,target=/tmp/.cache/pip pip install --compile -r requirements-mlflow.lock

# The registry: MLflow's server, and nothing of Lunar.
FROM base AS mlflow
RUN install --directory --owner=10001 --group=10001 /var/lib/mlflow
COPY --from=mlflow-packages /opt/venv /opt/venv
COPY deploy/mlflow.sh ./
USER 10001:10001
EXPOSE 5000
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=3 \
    CMD ["python", "-I", "-S", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:5000/health', timeout=4)"]
CMD ["sh", "mlflow.sh"]

# Debian's Orthanc, and the program that sends what is new in it to the service; the profile dicom runs both.
FROM base AS orthanc
# hadolint ignore=DL3008
RUN apt-get update -qq \
    && apt-get install -qq --yes --no-install-recommends orthanc orthanc-dicomweb \
    && rm -rf /var/lib/apt/lists/*
COPY deploy/orthanc.sh examples/orthanc/forward.py ./
USER 10001:10001
EXPOSE 4242 8042
CMD ["sh", "orthanc.sh", "orthanc"]

# The code and the starter, as every image of Lunar has them; nobody in the container may change them.
FROM base AS code
COPY models/starter models/starter
COPY templates templates
COPY static static
COPY inference inference
COPY service service
COPY lunar lunar
RUN python -m compileall -q inference service lunar

FROM code AS training-code
COPY training training
COPY deploy/space/train.sh deploy/space/
RUN python -m compileall -q training

# Training; it holds the service too, so that one container can train and serve (deploy/space).
FROM base AS training
COPY --from=training-packages /opt/venv /opt/venv
COPY --from=training-code /app ./
USER 10001:10001
# GitPython, which MLflow brings along, complains where there is no git.
ENV GIT_PYTHON_REFRESH=quiet LUNAR_HOME=/var/lib/lunar LUNAR_DATA=/data
ARG COMMIT=""
ENV LUNAR_COMMIT=$COMMIT
ENTRYPOINT ["python", "-m", "training"]
CMD ["--help"]

# The same with TensorFlow for CUDA, for training and service on a GPU.
FROM base AS gpu
COPY --from=gpu-packages /opt/venv /opt/venv
COPY --from=training-code /app ./
USER 10001:10001
ENV GIT_PYTHON_REFRESH=quiet LUNAR_HOME=/var/lib/lunar LUNAR_DATA=/data LUNAR_HOST=0.0.0.0 LUNAR_PORT=8000
ARG COMMIT=""
ENV LUNAR_COMMIT=$COMMIT
CMD ["python", "-m", "service"]

FROM base AS service
COPY --from=service-packages /opt/venv /opt/venv
COPY --from=code /app ./
USER 10001:10001
ENV LUNAR_HOME=/var/lib/lunar LUNAR_HOST=0.0.0.0 LUNAR_PORT=8000
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-I", "-S", "-c", "import os; from urllib.request import urlopen; urlopen(f'http://127.0.0.1:{os.environ[\"LUNAR_PORT\"]}/health/ready', timeout=4)"]
CMD ["python", "-m", "service"]
