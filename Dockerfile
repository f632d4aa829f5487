# CPU:  docker build -t harmonyview .
# CUDA: docker build -t harmonyview:cuda --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu128 .
# Run:  docker run -p 7860:7860 [--gpus all] -v harmonyview-cache:/home/app/.cache harmonyview
FROM python:3.12-slim

# Where PyTorch comes from. Its CUDA wheels bring their own libraries: the host adds the driver only.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu

ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1

RUN useradd --create-home --uid 1000 app \
    && mkdir -p /home/app/.cache \
    && chown app:app /home/app/.cache

WORKDIR /app
COPY requirements.txt .
RUN pip install --index-url "${TORCH_INDEX}" "$(grep '^torch>' requirements.txt)" \
    && pip install -r requirements.txt
COPY --chown=app:app . .

USER app
EXPOSE 7860
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:7860/healthz', timeout=4)"]
ENTRYPOINT ["python", "app.py", "--listen", "--port", "7860"]
