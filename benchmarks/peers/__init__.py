"""Other ways to serve the same model. Each script runs in .venv-peers and imports nothing of Lunar."""
