// Presets fill the knobs; a run is started, followed and ended without leaving the page.
"use strict";
(() => {
  const POLL_MS = 300;
  const form = document.getElementById("study");
  const told = document.getElementById("told");
  const progress = document.getElementById("progress");
  const presets = JSON.parse(document.getElementById("presets").textContent);
  let following = null;

  const knobs = () => [...form.elements].filter((e) => e.name && e.name !== "preset");

  function fill(name) {
    for (const element of knobs()) {
      const value = presets[name][element.name];
      if (element.type === "checkbox") element.checked = value.includes(element.value);
      else element.value = String(value);
    }
    mark();
  }

  // What differs from the preset is marked, so that nobody forgets what they turned.
  function mark() {
    const preset = presets[form.elements.preset.value];
    for (const element of knobs()) {
      const value = preset[element.name];
      const same = element.type === "checkbox"
        ? element.checked === value.includes(element.value)
        : element.type === "number" ? Number(element.value) === value : element.value === value;
      element.closest("label").classList.toggle("changed", !same);
    }
  }

  function study() {
    const found = { preset: form.elements.preset.value };
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

  async function follow(run) {
    following = run;
    while (following === run) {
      let state;
      try {
        state = await ask(`/signals/runs/${run}`);
        progress.innerHTML = await text("/signals/progress");
      } catch {
        told.textContent = "The service does not answer; waiting for it.";
        await new Promise((done) => setTimeout(done, 5 * POLL_MS));
        continue;
      }
      told.textContent = "";
      if (state.status !== "running") {
        if (state.status === "succeeded") await show(run);
        following = null;
        return;
      }
      await new Promise((done) => setTimeout(done, POLL_MS));
    }
  }

  async function show(run) {
    const page = new DOMParser().parseFromString(await text(`/signals?run=${run}`), "text/html");
    for (const id of ["#result", "#kept"]) {
      document.querySelector(id).replaceWith(page.querySelector(id));
    }
    history.replaceState(null, "", `/signals?run=${run}`);
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
      const field = knobs().find((element) => element.name === error.param);
      if (field) {
        field.closest("details")?.setAttribute("open", "");
        field.focus();
      }
    }
  });

  form.addEventListener("change", (event) => {
    if (event.target.name === "preset") fill(event.target.value);
    else mark();
  });

  progress.addEventListener("submit", async (event) => {
    const run = event.target.dataset.cancel;
    if (!run) return;
    event.preventDefault();
    try {
      await ask(`/signals/runs/${run}/cancel`, {});
    } catch (error) {
      told.textContent = error.message;
    }
  });

  mark();
  const started = progress.querySelector("[data-cancel]");
  if (started) follow(started.dataset.cancel);
})();
