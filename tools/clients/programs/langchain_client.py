"""LangChain's ChatOpenAI: chats, streams, tools, structured output, and the Responses API."""

import os

from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

settings = {
    "base_url": f"{os.environ['RADIANCE_URL']}/v1",
    "api_key": "none",
    "model": "radiance",
    "temperature": 0,
    "max_retries": 0,
}
chat = ChatOpenAI(**settings)
said = chat.invoke("Who are you?").content
assert "Ember" in said, said
assert "".join(chunk.content for chunk in chat.stream("Who are you?")) == said
print("invoke and stream")


@tool
def lamp(is_on: bool) -> str:
    """Switch the lamp."""
    return str(is_on)


(call,) = chat.bind_tools([lamp], tool_choice="lamp").invoke("Switch it on.").tool_calls
assert isinstance(call["args"]["is_on"], bool)


class Place(BaseModel):
    """A place."""

    is_near: bool


assert isinstance(chat.with_structured_output(Place).invoke("Is it near?"), Place)
print("a bound tool, and structured output")

responses = ChatOpenAI(**settings, use_responses_api=True)
assert responses.invoke("Who are you?").text == said
assert "".join(chunk.text for chunk in responses.stream("Who are you?")) == said
print("the Responses API, whole and streamed")
