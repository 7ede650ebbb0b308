"""Access control: API keys, page sessions, allowed hosts, rate limits."""
