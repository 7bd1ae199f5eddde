"""HTTP layer with settings, sessions, tokens and API calls."""
