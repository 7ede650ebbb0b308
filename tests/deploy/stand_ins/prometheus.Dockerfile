# Stands in for prom/prometheus: Debian's Prometheus, which is older.
FROM lunar-stand-in:trixie
RUN apt-get update -qq && apt-get install -qq --no-install-recommends prometheus >/dev/null \
    && rm -rf /var/lib/apt/lists/* && install --directory --owner=nobody --group=nogroup /prometheus
USER nobody
ENTRYPOINT ["prometheus"]
