# Stands in for haproxy:3.0-bookworm: Debian's HAProxy 3.0.
FROM lunar-stand-in:trixie
RUN apt-get update -qq && apt-get install -qq --no-install-recommends haproxy >/dev/null && rm -rf /var/lib/apt/lists/*
STOPSIGNAL SIGUSR1
USER haproxy
