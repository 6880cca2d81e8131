// Follows the service: an event says what changed, the page fetches itself and takes over the
// regions that differ. Everything shown comes from the server's HTML; nothing is computed here.
"use strict";
(() => {
  const mark = document.getElementById("live");
  const { state, topics = "", path = location.pathname } = document.body.dataset;
  const followed = new Set(topics.split(" ").filter(Boolean));
  const SILENCE_MS = 12000;
  const REFRESH_MS = 700;
  let after = state;
  let source = null;
  let heardAt = Date.now();
  let triedAt = heardAt;
  let retry = 0;
  let refreshing = false;
  let wanted = false;
  let missed = false; // the last fetch failed: what changed is still to be taken over

  // What refuses a form may have been sent elsewhere: the address is that of the page that is shown.
  if (path !== location.pathname && path !== decodeURI(location.pathname)) history.replaceState(history.state, "", path);

  // ── What the service last sent of each region ──
  const sent = new Map();
  const regions = (page) => page.querySelectorAll("[data-region][id]");
  for (const region of regions(document)) sent.set(region.id, region.outerHTML);

  function say(name, text) {
    if (mark.dataset.state === name) return;
    mark.dataset.state = name;
    mark.querySelector(".says").textContent = text;
  }
  const clock = (at) => new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  const gone = document.getElementById("gone");
  function stale() {
    say("stale", `Stale since ${clock(heardAt)}`);
    gone.textContent = `The service has not answered since ${clock(heardAt)}. What you see is from then.`;
    gone.hidden = Date.now() - heardAt < 2000; // a moment's silence is none
  }
  function heard() {
    heardAt = Date.now();
    gone.hidden = true;
    say("live", "Live");
    if (missed) refresh();
  }

  // ── Taking over what changed ──
  function take(page) {
    for (const fresh of regions(page)) {
      const old = document.getElementById(fresh.id);
      const html = fresh.outerHTML;
      if (!old || sent.get(fresh.id) === html) continue;
      sent.set(fresh.id, html);
      const focused = old.contains(document.activeElement) ? document.activeElement : null;
      const scroll = keep(old, fresh);
      old.replaceWith(document.adoptNode(fresh));
      scroll();
      if (focused) refocus(fresh, focused);
    }
    document.dispatchEvent(new Event("radiance:update"));
  }

  // Drawn charts, opened details, scrolled tables and filled-in fields are the reader's, not the server's. Where they
  // are scrolled to is read before a chart is moved: a page without its charts is shorter, and laying
  // it out then would move the reader.
  function keep(old, fresh) {
    const scrolled = [...old.querySelectorAll(".scroll")].map((e) => [e.scrollLeft, e.scrollTop]);
    for (const details of fresh.querySelectorAll("details[id]")) {
      details.open = old.querySelector(`#${CSS.escape(details.id)}`)?.open ?? details.open;
    }
    for (const field of old.querySelectorAll("input:not([type=hidden]), textarea")) {
      if (field.value === field.defaultValue && field.checked === field.defaultChecked) continue;
      const isBox = field.type === "checkbox";
      const same = [...fresh.querySelectorAll(field.tagName)].find((e) => e.name === field.name && (!isBox || e.value === field.value));
      if (same) Object.assign(same, isBox ? { checked: field.checked } : { value: field.value });
    }
    for (const figure of fresh.querySelectorAll("figure.chart")) {
      const drawn = old.querySelector(`#${CSS.escape(figure.id)} .plot`);
      const place = figure.querySelector(".plot");
      if (drawn && place) place.replaceWith(drawn);
    }
    return () => fresh.querySelectorAll(".scroll").forEach((e, i) => scrolled[i] && e.scrollTo(...scrolled[i]));
  }

  function refocus(region, focused) {
    const same = (e) => e.tagName === focused.tagName && e.getAttribute("href") === focused.getAttribute("href")
      && e.textContent === focused.textContent;
    const target = focused.id ? document.getElementById(focused.id)
      : [...region.querySelectorAll(focused.tagName)].find(same);
    target?.focus({ preventScroll: true });
  }

  async function refresh() {
    if (refreshing) { wanted = true; return; }
    refreshing = true;
    wanted = missed = false;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      // The session has ended: whoever reads on must sign in again.
      if (answer.redirected && new URL(answer.url).pathname === "/sign-in") location.assign(answer.url);
      else if (answer.ok) take(new DOMParser().parseFromString(await answer.text(), "text/html"));
      else missed = answer.status >= 429; // too much at once, or a fault: for now
    } catch { missed = true; stale(); }
    setTimeout(() => { refreshing = false; if (wanted) refresh(); }, REFRESH_MS);
  }

  // ── The stream ──
  function connect() {
    clearTimeout(retry);
    source?.close();
    source = new EventSource(`/events?after=${encodeURIComponent(after)}`);
    source.addEventListener("change", (event) => {
      after = event.lastEventId;
      heard();
      if (JSON.parse(event.data).topics.some((topic) => followed.has(topic))) refresh();
    });
    source.addEventListener("heartbeat", heard);
    // A browser tries again by itself, but not after an answer such as 503: then we do.
    source.addEventListener("error", () => {
      stale();
      if (source.readyState !== EventSource.CLOSED) return;
      refresh();
      retry = setTimeout(connect, 1000);
    });
  }

  function watch() {
    if (document.hidden) return;
    if (Date.now() - Math.max(heardAt, triedAt) > SILENCE_MS) { stale(); triedAt = Date.now() - SILENCE_MS / 2; connect(); }
  }

  // ── Ages on the page grow older ──
  const UNITS = [[31536000, "year"], [86400, "day"], [3600, "h"], [60, "min"], [1, "s"]];
  function age() {
    for (const time of document.querySelectorAll("time[data-ago]")) {
      const seconds = (Date.now() - new Date(time.dateTime)) / 1000;
      const unit = seconds < 5 ? null : UNITS.find(([size]) => seconds >= size);
      const count = unit && Math.floor(seconds / unit[0]);
      time.textContent = unit ? `${count} ${unit[1]}${count === 1 || unit[1].length < 4 ? "" : "s"} ago` : "just now";
    }
  }

  // Times are the reader's own, and UTC where one points at them.
  function local() {
    for (const time of document.querySelectorAll("time:not([data-ago]):not([title])")) {
      time.title = `${time.textContent} UTC`;
      time.textContent = new Date(time.dateTime).toLocaleString([], { dateStyle: "medium", timeStyle: "medium" });
    }
    for (const note of document.querySelectorAll("[data-utc]")) note.textContent = note.dataset.utc;
  }

  local();
  document.addEventListener("radiance:update", local);
  setInterval(age, 10000);
  if (!mark || !window.EventSource || !state) return;
  connect();
  setInterval(watch, 1000);
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) { source.close(); say("still", "Paused"); }
    else { heardAt = Date.now(); connect(); }
  });
})();
