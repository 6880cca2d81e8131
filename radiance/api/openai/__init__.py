"""OpenAI's API over this service: what its clients send is honoured or refused, never dropped.

``chat`` and ``completions`` answer, ``models`` lists the weights that can. ``parameters``,
``messages``, ``tools`` and ``formats`` are what is taken, ``shapes`` is what is given.
"""
