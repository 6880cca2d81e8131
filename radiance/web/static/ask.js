// Streams both answers while they are made; then the page shows how they differ.
"use strict";
(() => {
  const form = document.getElementById("ask");
  const live = document.getElementById("streams");
  if (!form || !live || !window.ReadableStream) return;

  async function stream(model, content, box) {
    const answer = await fetch("/v1/chat/completions", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ model, stream: true, temperature: 0, max_tokens: Number(form.dataset.most),
        messages: [{ role: "user", content }] }),
    });
    if (!answer.ok) return;
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      for (const line of lines) {
        if (!line.startsWith("data: {")) continue;
        box.textContent += JSON.parse(line.slice(6)).choices?.[0]?.delta?.content ?? "";
      }
    }
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const given = new FormData(form);
    const target = `${form.getAttribute("action")}?${new URLSearchParams(given)}`;
    document.getElementById("answers")?.remove();
    live.hidden = false;
    const boxes = live.querySelectorAll(".answer");
    boxes.forEach((box) => { box.textContent = ""; });
    live.querySelectorAll("h2").forEach((title, place) => { title.textContent = given.get("ab"[place]); });
    try {
      await Promise.all(["a", "b"].map((side, place) => stream(given.get(side), given.get("prompt"), boxes[place])));
    } finally {
      location.assign(target);
    }
  });
})();
