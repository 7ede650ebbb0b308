"""The server and its connections, and the steps of every request, from bounded upload to request log. No routes."""
