// A file dropped on the box is read into it, for the person to see before it is sent.
"use strict";
(() => {
  const box = document.getElementById("pasted");
  if (!box) return;
  const holds = (event) => event.dataTransfer?.types.includes("Files");
  box.addEventListener("dragover", (event) => {
    if (!holds(event)) return;
    event.preventDefault();
    box.classList.add("dropping");
  });
  box.addEventListener("dragleave", () => box.classList.remove("dropping"));
  box.addEventListener("drop", async (event) => {
    box.classList.remove("dropping");
    if (!holds(event)) return;
    event.preventDefault();
    box.value = await event.dataTransfer.files[0].text();
    document.getElementById("more").open = true;
    box.focus();
  });
})();
