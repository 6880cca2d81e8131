// The conversation: one answer, streamed in place. It stays in this tab and goes nowhere else.
"use strict";
(() => {
  const form = document.getElementById("ask");
  if (!form || !window.ReadableStream) return;
  const [talk, answers, frame, box, stop, clear, trouble, follow] =
    ["talk", "answers", "turn", "prompt", "stop", "clear", "trouble", "follow"].map((id) => document.getElementById(id));
  const KEPT = "radiance:talk";
  const DRAFT = "radiance:draft";
  const SERVING = "stable";
  const memory = form.dataset.memory; // when it answers, as the service has it for questions
  const field = (name) => document.getElementById(name);
  const turns = JSON.parse(sessionStorage.getItem(KEPT) ?? "[]");
  let running = null;

  document.documentElement.classList.add("scripted-on");
  const keep = () => sessionStorage.setItem(KEPT, JSON.stringify(turns.slice(-50)));
  function say(text) {
    trouble.textContent = text;
    trouble.hidden = !text;
  }

  // ── One turn ──
  function show(turn) {
    const shown = frame.content.firstElementChild.cloneNode(true);
    shown.querySelector(".q").textContent = turn.prompt;
    talk.append(shown);
    fill(shown, turn);
    return shown;
  }

  function linked(href, text) {
    const link = document.createElement("a");
    Object.assign(link, { href, textContent: text });
    return link;
  }

  function fill(shown, turn) {
    shown.querySelector(".answer").textContent = turn.response;
    const source = shown.querySelector(".source");
    source.textContent = turn.source ?? "";
    if (turn.about) source.append(linked(turn.about.href, turn.about.text));
    for (const match of turn.matches ?? []) {
      source.append(" · ", linked(`/knowledge?view=all&q=${encodeURIComponent(match.example_id)}`, match.question));
    }
    for (const input of shown.querySelectorAll("input[type=hidden]")) {
      input.value = { prompt: turn.prompt, question: turn.prompt, response: turn.response, checkpoint: turn.checkpoint ?? "" }[input.name];
    }
    shown.querySelector(".do").hidden = !turn.source;
    shown.querySelector(".vote").hidden = !turn.checkpoint; // votes judge checkpoints, and memory is none
  }

  // Where an answer comes from, by the first chunk and the headers.
  function origin(turn, answer, chunk) {
    const note = chunk.radiance;
    turn.matches = note?.matches;
    turn.checkpoint = answer.headers.get("X-Radiance-Checkpoint") ?? "";
    if (note?.source === "memory") {
      turn.source = note.how === "unclear" ? "Memory asks back" : note.passage ? (note.how === "passage" ? "From " : "From memory, made of ") : "From memory, word for word";
      if (note.passage) turn.about = { href: `/documents/${note.passage.document_id}`, text: [note.passage.document, note.passage.place].filter(Boolean).join(", ") };
    }
    else if (answer.headers.get("X-Radiance-Source") === "upstream") turn.source = `From ${chunk.model}`;
    else {
      turn.source = {
        base: "About nothing that was taught, so from the weights of ", reminded: "Told from memory, in the words of ",
      }[note?.how] ?? "From the weights of ";
      const named = turn.checkpoint && turn.checkpoint !== "base";
      turn.about = { href: `/checkpoints/${named ? turn.checkpoint : "base"}`, text: named ? turn.checkpoint : "the base model" };
    }
  }

  async function stream(turn, shown, body, signal) {
    const answer = await fetch("/v1/chat/completions", {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), signal,
    });
    if (!answer.ok) {
      const { error = {} } = await answer.json();
      throw new Error([error.message, error.remedy].filter(Boolean).join(". ").replace("..", ".").replace(/^./, (c) => c.toUpperCase()) || `The service answered ${answer.status}.`);
    }
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      for (const line of lines) {
        if (!line.startsWith("data: {")) continue;
        const chunk = JSON.parse(line.slice(6));
        if (!turn.source) origin(turn, answer, chunk);
        turn.response += chunk.choices?.[0]?.delta?.content ?? "";
        shown.querySelector(".answer").textContent = turn.response;
      }
    }
  }

  function messages(prompt) {
    const said = follow.checked ? turns.flatMap((turn) => [
      { role: "user", content: turn.prompt }, { role: "assistant", content: turn.response }]) : [];
    const system = field("system").value.trim();
    return [...(system ? [{ role: "system", content: system }] : []), ...said, { role: "user", content: prompt }];
  }

  async function ask(prompt) {
    const model = field("a").value;
    const body = { stream: true, messages: messages(prompt), temperature: Number(field("temperature").value),
      max_tokens: Number(field("most").value), ...(model === SERVING ? { memory } : { model }) };
    const turn = { prompt, response: "" };
    const shown = show(turn);
    running = new AbortController();
    stop.hidden = false;
    try {
      await stream(turn, shown, body, running.signal);
    } catch (error) {
      if (error.name !== "AbortError") {
        shown.remove();
        box.value = prompt; // nothing that was typed is lost
        say(error instanceof TypeError ? "The service does not answer. Your question is still here: send it again once it does." : error.message);
        return;
      }
      turn.source = `Stopped. ${turn.source ?? "Nothing came"}`;
    } finally {
      running = null;
      stop.hidden = true;
    }
    fill(shown, turn);
    turns.push(turn);
    keep();
    clear.hidden = false;
  }

  // Two beside each other: the server measures both; its page has them, and nothing is asked twice.
  async function compare() {
    try {
      const answer = await fetch("/ask", { method: "POST", headers: { Accept: "text/html" }, body: new URLSearchParams(new FormData(form)) });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      answers.replaceChildren(...document.adoptNode(page.getElementById("answers")).childNodes);
      say(page.querySelector(".notice.bad[role=alert]:not([hidden])")?.textContent.trim() ?? "");
    } catch {
      say("The service does not answer. Your question is still here: send it again once it does.");
    }
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const prompt = box.value.trim();
    if (!prompt || running) return;
    say("");
    if (field("b").value) await compare();
    else {
      box.value = "";
      await ask(prompt);
    }
    sessionStorage.setItem(DRAFT, box.value);
    box.focus();
  });
  box.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  });
  box.addEventListener("input", () => sessionStorage.setItem(DRAFT, box.value));
  stop.addEventListener("click", () => running?.abort());
  clear.addEventListener("click", () => {
    turns.length = 0;
    keep();
    talk.replaceChildren();
    clear.hidden = true;
    box.focus();
  });
  document.querySelector("[data-sample]")?.addEventListener("click", (event) => {
    event.preventDefault();
    box.value = event.currentTarget.textContent;
    box.focus();
  });

  // Votes and right answers are sent from where they stand.
  talk.addEventListener("submit", async (event) => {
    event.preventDefault();
    const sent = event.target;
    const done = sent.closest(".turn").querySelector(".done");
    const given = Object.fromEntries(new FormData(sent, event.submitter));
    const isVote = sent.classList.contains("vote");
    // A model may write what no text may hold; its answer is voted on all the same.
    if (isVote) given.response = given.response.replace(/[\x00-\x08\x0b\x0c\x0e-\x1f]/g, "\ufffd");
    const body = isVote ? given : { examples: [{ input: given.question, output: given.answer }] };
    try {
      const answer = await fetch(isVote ? "/feedback" : "/update", {
        method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
      const told = await answer.json();
      if (!answer.ok) throw new Error([told.error?.message, told.error?.remedy].filter(Boolean).join(" "));
      if (isVote) { done.textContent = "Your vote is kept."; return; }
      const link = document.createElement("a");
      link.href = `/learn/${told.job_id}`;
      link.textContent = "What becomes of it";
      done.replaceChildren(memory === "off" ? "Taught. " : "Taught. Ask again: memory answers it from now on. ", link);
      sent.closest("details").open = false;
      box.focus();
    } catch (error) {
      done.textContent = error instanceof TypeError ? "The service does not answer: nothing was sent. Try again once it does." : error.message;
    }
  });

  for (const turn of turns) show(turn);
  clear.hidden = !turns.length;
  box.value ||= sessionStorage.getItem(DRAFT) ?? "";
})();
