"""OpenAI's Responses API over the same chats as POST /v1/chat/completions.

``shapes`` is what goes out, ``items`` reads what comes in, ``writing`` makes the answer and its
events of a chat's, ``create`` is the route.
"""
