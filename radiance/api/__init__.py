"""The HTTP side: routes, bodies, errors. It computes nothing and stores nothing itself."""
