"""HTTP: settings, sessions, tokens, requests and the API's calls; no Arrow."""
