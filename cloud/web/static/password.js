// Passwords: shown while they are typed where somebody wants that, and how strong a new one is, as the server judges it.
"use strict";
(() => {
  const { show, hide } = document.body.dataset;
  for (const input of document.querySelectorAll('input[type="password"]')) {
    const box = document.createElement("div");
    box.className = "typed";
    input.replaceWith(box);
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = show;
    button.setAttribute("aria-controls", input.id);
    button.addEventListener("click", () => {
      const hidden = input.type === "password";
      input.type = hidden ? "text" : "password";
      button.textContent = hidden ? hide : show;
      input.focus();
    });
    box.append(input, button);
    if (input.autofocus) input.focus();
  }

  for (const line of document.querySelectorAll("[data-strength]")) {
    const input = document.getElementById(line.dataset.strength);
    const [meter, text] = line.children;
    let waiting = 0;
    input.addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(async () => {
        const typed = input.value;
        if (!typed) {
          line.hidden = true;
          return;
        }
        const body = new URLSearchParams({ token: line.dataset.token, password: typed });
        const reply = await fetch("/sign-in/strength", { method: "POST", body, credentials: "same-origin" });
        if (!reply.ok || typed !== input.value) return;
        const told = await reply.json();
        meter.value = told.score;
        text.textContent = told.text;
        line.hidden = false;
      }, 400);
    });
  }
})();
