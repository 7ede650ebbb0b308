"""The HTTP routes for programs, their schemas and their OpenAPI description. The page has its own room."""
