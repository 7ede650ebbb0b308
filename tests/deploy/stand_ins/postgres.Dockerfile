# Stands in for postgres:17-bookworm: Debian's PostgreSQL 17, and of the official image what docker-compose.yml uses.
FROM lunar-stand-in:trixie
RUN apt-get update -qq && apt-get install -qq --no-install-recommends postgresql-17 >/dev/null \
    && rm -rf /var/lib/apt/lists/* /var/lib/postgresql/* \
    && install --directory --owner=postgres --group=postgres --mode=3777 /var/lib/postgresql/data /var/run/postgresql
ENV LANG=C.UTF-8 PATH=/usr/lib/postgresql/17/bin:$PATH PGDATA=/var/lib/postgresql/data
COPY postgres.sh /
VOLUME /var/lib/postgresql/data
STOPSIGNAL SIGINT
CMD ["sh", "/postgres.sh"]
