// A file dropped anywhere on the page is read into the box, for the person to see before it is sent;
// documents, and several files at once, are put where documents are sent from.
"use strict";
(() => {
  const box = document.getElementById("pasted");
  const form = document.getElementById("teach");
  if (!box || !form) return;
  const EXAMPLES = /^\s*([{[|]|[*_#> ]*(q|question|user|human|you said)\s*\d*[*_]*:)/i; // examples in a .txt, no document
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
    const files = event.dataTransfer.files;
    const chosen = document.getElementById("document-files");
    const text = files.length === 1 && /\.(jsonl?|[ct]sv|txt)$/i.test(files[0].name) ? await files[0].text() : null;
    if (text === null || (/\.txt$/i.test(files[0].name) && !EXAMPLES.test(text))) {
      document.getElementById("documents").open = true;
      chosen.files = files;
      chosen.scrollIntoView({ block: "center" });
      chosen.focus();
      return;
    }
    document.getElementById("more").open = true;
    box.value = text;
    box.scrollIntoView({ block: "center" });
    box.focus();
  });
})();
