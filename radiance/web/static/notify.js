// An open overview may tell its reader of new alerts through the browser, if asked to.
"use strict";
(() => {
  const button = document.getElementById("notify");
  if (!button || !window.Notification || Notification.permission === "denied") return;
  const KEPT = "radiance:notify";
  const isOn = () => localStorage.getItem(KEPT) === "yes" && Notification.permission === "granted";
  const alerts = () => [...document.querySelectorAll("#alerts .notice")].map((e) => e.textContent.trim());
  let known = new Set(alerts());

  function show() {
    button.hidden = false;
    button.setAttribute("aria-pressed", String(isOn()));
    button.textContent = isOn() ? "Alerts: this browser tells me" : "Tell me of alerts in this browser";
  }

  button.addEventListener("click", async () => {
    const wanted = !isOn() && (await Notification.requestPermission()) === "granted";
    localStorage.setItem(KEPT, wanted ? "yes" : "no");
    show();
  });
  document.addEventListener("radiance:update", () => {
    const found = alerts();
    if (isOn()) for (const text of found) if (!known.has(text)) new Notification("Radiance", { body: text });
    known = new Set(found);
  });
  show();
})();
