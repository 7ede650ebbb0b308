# Sourced by the scripts beside it: `compose` is Compose v2 or v1, whichever is here; COMPOSE="..." chooses.
if [ -z "${COMPOSE:-}" ]; then
  if docker compose version >/dev/null 2>&1; then COMPOSE="docker compose"; else COMPOSE="docker-compose"; fi
fi
compose() { $COMPOSE "$@"; }
