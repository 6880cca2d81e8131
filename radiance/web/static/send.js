// A form is sent only to a service that answers: else the browser's own page takes what was typed.
"use strict";
(() => {
  // A field that the browser wants to point at must be seen: what it lies in is opened first.
  document.addEventListener("invalid", (event) => event.target.closest("details")?.setAttribute("open", ""), true);

  const sending = new WeakSet(); // a second click sends nothing twice

  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (event.defaultPrevented || form.method !== "post") return;
    event.preventDefault();
    if (sending.has(form)) return;
    sending.add(form);
    const { submitter } = event;
    try {
      await fetch("/health", { cache: "no-store" });
    } catch {
      sending.delete(form);
      let notice = form.querySelector(".notice.unsent");
      if (!notice) {
        notice = document.createElement("p");
        notice.className = "notice bad unsent";
        notice.setAttribute("role", "alert");
        form.prepend(notice);
      }
      notice.textContent = "The service does not answer, so nothing was sent. What you typed is still here: send it again once it does.";
      return;
    }
    if (submitter?.name) {
      const chosen = document.createElement("input");
      Object.assign(chosen, { type: "hidden", name: submitter.name, value: submitter.value });
      form.append(chosen);
    }
    HTMLFormElement.prototype.submit.call(form);
    setTimeout(() => sending.delete(form), 2000); // a download leaves the page where it is
  });
})();
