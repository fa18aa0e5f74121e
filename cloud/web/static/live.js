// Keeps a page up to date: asks for a small mark, and when it changed takes the page's live parts anew, as the server wrote them.
"use strict";
(() => {
  const PAUSE = 2000;
  const LONGEST = 30000; // ages grow old even where nothing happens
  let mark = null;
  let refreshed = Date.now();
  let pause = PAUSE;

  async function refresh() {
    const response = await fetch(location.href, { headers: { Accept: "text/html", "X-Vuong-Refresh": "1" }, credentials: "same-origin" });
    if (response.redirected && new URL(response.url).pathname === "/sign-in") {
      location.assign(response.url);
      return;
    }
    if (!response.ok) throw new Error(String(response.status));
    const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
    const focused = document.activeElement && document.activeElement.id;
    for (const part of document.querySelectorAll("[data-live]")) {
      const next = fresh.getElementById(part.id);
      if (part.querySelector("details[open] form")) continue; // somebody is writing there
      if (next && next.innerHTML !== part.innerHTML) part.innerHTML = next.innerHTML;
    }
    if (focused && document.activeElement === document.body) document.getElementById(focused)?.focus({ preventScroll: true });
    refreshed = Date.now();
    document.dispatchEvent(new Event("vuong:refreshed"));
  }

  async function ask() {
    if (!document.hidden) {
      try {
        const response = await fetch("/api/v1/live", { credentials: "same-origin" });
        if (response.status === 401) {
          location.reload();
          return;
        }
        if (!response.ok) throw new Error(String(response.status));
        const live = await response.json();
        if ((mark !== null && live.mark !== mark) || Date.now() - refreshed > LONGEST) await refresh();
        mark = live.mark;
        pause = PAUSE;
        document.body.classList.remove("cut-off");
      } catch {
        pause = Math.min(pause * 2, LONGEST);
        document.body.classList.add("cut-off");
      }
    }
    setTimeout(ask, pause);
  }

  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) pause = PAUSE;
  });
  setTimeout(ask, PAUSE);
})();
