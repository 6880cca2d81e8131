"""Official clients of OpenAI's and Anthropic's API against a real service: `make clients`.

``__main__`` starts the service and runs each script of ``programs`` by the Python of another
environment, which has the clients and nothing of Radiance; what is said there is said by them.
"""
