// A file dropped anywhere on the page is read into the box, for the person to see before it is sent.
"use strict";
(() => {
  const box = document.getElementById("pasted");
  const form = document.getElementById("teach");
  if (!box || !form) return;
  const holds = (event) => event.dataTransfer?.types.includes("Files");
  document.addEventListener("dragover", (event) => {
    if (!holds(event)) return;
    event.preventDefault(); // else the browser would open the file instead of this page
    form.classList.add("dropping");
  });
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) form.classList.remove("dropping"); });
  document.addEventListener("drop", async (event) => {
    form.classList.remove("dropping");
    if (!holds(event)) return;
    event.preventDefault();
    document.getElementById("more").open = true;
    box.value = await event.dataTransfer.files[0].text();
    box.scrollIntoView({ block: "center" });
    box.focus();
  });
})();
