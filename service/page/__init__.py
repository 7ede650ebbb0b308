"""The page for people: routes, texts, charts, examples. Templates and scripts are in templates/ and static/."""
