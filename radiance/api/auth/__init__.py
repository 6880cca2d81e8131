"""Who may call what: API keys, scopes, origins and signed-in browsers."""
