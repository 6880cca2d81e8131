// Presets fill the knobs; a run is started, followed and ended without leaving the page.
"use strict";
(() => {
  const POLL_MS = 300;
  const form = document.getElementById("study");
  const told = document.getElementById("told");
  const progress = document.getElementById("progress");
  const presets = JSON.parse(document.getElementById("presets").textContent);
  const run = document.getElementById("run");
  let following = null;
  const turned = new Set();

  const knobs = () => [...form.elements].filter((e) => e.name && !["preset", "approver"].includes(e.name));

  // What a person has turned here stays as it is.
  function fill(name) {
    for (const element of knobs()) {
      const value = presets[name][element.name];
      if (turned.has(element)) continue;
      if (element.type === "checkbox") element.checked = value.includes(element.value);
      else element.value = String(value);
    }
    mark();
  }

  function isAt(element, preset) {
    const value = preset[element.name];
    if (element.type === "checkbox") return element.checked === value.includes(element.value);
    return element.type === "number" ? Number(element.value) === value : element.value === value;
  }

  // What differs from the preset is marked, so that nobody forgets what they turned.
  function mark() {
    const preset = presets[form.elements.preset.value];
    for (const element of knobs()) element.closest("label").classList.toggle("changed", !isAt(element, preset));
  }

  function study() {
    const found = { preset: form.elements.preset.value, approver: form.elements.approver.value };
    for (const element of knobs()) {
      const [section, key] = element.name.includes(".") ? element.name.split(".") : [null, element.name];
      const place = section ? (found[section] ??= {}) : found;
      if (element.type === "checkbox") {
        place[key] ??= [];
        if (element.checked) place[key].push(element.value);
      } else place[key] = element.type === "number" ? Number(element.value) : element.value;
    }
    return found;
  }

  async function ask(url, body) {
    const answer = await fetch(url, body === undefined ? {} : {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
    });
    const data = await answer.json();
    if (answer.ok) return data;
    const error = new Error(`${data.error.message} ${data.error.remedy ?? ""}`);
    error.param = data.error.param;
    throw error;
  }

  async function text(url) {
    const answer = await fetch(url);
    if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
    return answer.text();
  }

  async function follow(id) {
    following = id;
    run.disabled = true; // one at a time
    try {
      await watch(id);
    } finally {
      if (following === id) following = null;
      run.disabled = following !== null;
    }
  }

  async function watch(id) {
    while (following === id) {
      let state;
      try {
        state = await ask(`/signals/runs/${id}`);
        progress.innerHTML = await text("/signals/progress");
      } catch {
        told.textContent = "The service does not answer; waiting for it.";
        await new Promise((done) => setTimeout(done, 5 * POLL_MS));
        continue;
      }
      told.textContent = "";
      if (state.status !== "running") {
        if (state.status === "succeeded") await show(id);
        return;
      }
      await new Promise((done) => setTimeout(done, POLL_MS));
    }
  }

  async function show(id) {
    const page = new DOMParser().parseFromString(await text(`/signals?run=${id}`), "text/html");
    for (const part of ["#result", "#kept"]) {
      document.querySelector(part).replaceWith(page.querySelector(part));
    }
    history.replaceState(null, "", `/signals?run=${id}`);
    document.dispatchEvent(new Event("radiance:update")); // charts.js draws what is new
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!form.reportValidity()) return;
    try {
      told.textContent = "";
      const state = await ask("/signals/runs", study());
      follow(state.run_id);
    } catch (error) {
      told.textContent = error.message;
      const field = [...form.elements].find((element) => element.name === error.param);
      if (field) {
        field.closest("details")?.setAttribute("open", "");
        field.focus();
      }
    }
  });

  form.addEventListener("change", (event) => {
    if (event.target.name === "preset") fill(event.target.value);
    else if (event.target.name !== "approver") {
      turned.add(event.target);
      mark();
    }
  });

  progress.addEventListener("submit", async (event) => {
    const id = event.target.dataset.cancel;
    if (!id) return;
    event.preventDefault();
    try {
      await ask(`/signals/runs/${id}/cancel`, {});
    } catch (error) {
      told.textContent = error.message;
    }
  });

  mark();
  const started = progress.querySelector("[data-cancel]");
  if (started) follow(started.dataset.cancel);
})();
