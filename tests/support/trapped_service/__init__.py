"""The service with decoders that fail on purpose. A package, because a decoder imports the main module of a script."""
