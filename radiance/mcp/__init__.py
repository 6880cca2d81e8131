"""The Model Context Protocol: what the service does, as tools and resources of other programs.

``tools`` and ``resources`` say what there is, and need nothing but the Python client; ``server``
puts them behind the official SDK, which is optional and imported there alone. `radiance mcp` serves
them on stdin and stdout, ``api/mcp.py`` at /mcp.
"""
