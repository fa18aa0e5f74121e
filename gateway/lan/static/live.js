// Keeps the page up to date: the gateway says when something is new, and the page takes its live parts anew, as the server wrote them.
"use strict";
(() => {
  const LONGEST = 30000; // ages grow old even where nothing happens
  const GATHER = 300;
  const banner = document.getElementById("cut-off");
  let mark = null;
  let refreshed = Date.now();
  let waiting = null;
  let heard = Date.now();

  async function refresh() {
    waiting = null;
    try {
      const response = await fetch("/", { headers: { Accept: "text/html" }, credentials: "same-origin" });
      if (new URL(response.url).pathname === "/sign-in") {
        location.assign(response.url);
        return;
      }
      if (!response.ok) throw new Error(String(response.status));
      const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
      const focused = document.activeElement && document.activeElement.id;
      for (const part of document.querySelectorAll("[data-live]")) {
        const next = fresh.getElementById(part.id);
        if (next && next.innerHTML !== part.innerHTML) part.innerHTML = next.innerHTML;
      }
      if (focused && document.activeElement === document.body) document.getElementById(focused)?.focus({ preventScroll: true });
      refreshed = Date.now();
      document.body.dataset.mark = mark;
    } catch {
      banner.hidden = false;
    }
  }

  const source = new EventSource("/api/v1/events");
  source.addEventListener("open", () => {
    heard = Date.now();
    banner.hidden = true;
  });
  source.addEventListener("live", (event) => {
    heard = Date.now();
    banner.hidden = true;
    const live = JSON.parse(event.data);
    if (mark !== null && live.mark !== mark && waiting === null) waiting = setTimeout(refresh, GATHER);
    mark = live.mark;
  });
  source.addEventListener("error", () => {
    if (Date.now() - heard > 5000) banner.hidden = false;
    // Signed out: the stream is refused for good, and the page says so by leading to the sign-in.
    if (source.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), 5000);
  });
  setInterval(() => {
    if (!document.hidden && Date.now() - refreshed > LONGEST) refresh();
  }, 5000);
})();
