"""The program `lunar`: one command line over inference, service and training. It parses, calls them and prints."""
