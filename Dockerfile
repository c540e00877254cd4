# docker build -t apptracker .
# docker run -p 8080:8080 --env SECRET_TOKEN=... -v apptracker-data:/data apptracker

FROM python:3.13-slim AS build
WORKDIR /build
COPY requirements.txt ./
# Wheels first: what has none is built here, and no build tool reaches the image that runs.
RUN pip wheel --no-cache-dir --wheel-dir /wheels -r requirements.txt \
    && python -m venv --without-pip /opt/venv \
    && pip --python /opt/venv/bin/python install --no-cache-dir --no-index --find-links /wheels -r requirements.txt

FROM python:3.13-slim
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin apptracker \
    && install -d -o apptracker -g apptracker -m 0750 /data
COPY --from=build /opt/venv /opt/venv

WORKDIR /srv/apptracker
COPY app.py config.py db.py gunicorn.conf.py arrival.py ingest_loop.py worker.py ./
COPY routes/ routes/
COPY services/ services/
COPY stores/ stores/
COPY columns/ columns/
COPY commands/ commands/
COPY web/ web/

# STORE=auto accepts both: MongoDB when MONGO_URI is given, else the embedded store in DATA_DIR.
# No VOLUME instruction: some hosts refuse to build an image that has one. Mount a volume at /data.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    FLASK_APP=app:app \
    ENV=production \
    HOST=0.0.0.0 \
    PORT=8080 \
    STORE=auto \
    DATA_DIR=/data

USER 10001:10001
EXPOSE 8080
# Liveness only: a database that is away must not get the container restarted (/health/ready tells about it).
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import http.client, os, sys; c = http.client.HTTPConnection('127.0.0.1', int(os.environ['PORT']), timeout=4); c.request('GET', '/health'); sys.exit(c.getresponse().status != 200)"]
CMD ["gunicorn", "-c", "gunicorn.conf.py", "app:app"]
