// Keeps what is marked `data-live` as it is in the store: when the server says that something changed, the page is asked
// for again and those parts are exchanged. Without events it asks from time to time.
"use strict";
(() => {
  const POLL_MS = 5000;
  const regions = () => [...document.querySelectorAll("[data-live][id]")];
  if (regions().length === 0) return;

  let asking = false;
  let askAgain = false;
  let source = null;
  let poll = null;

  // Whoever types, has ticked or has marked something is not disturbed.
  const isBusy = (region) =>
    region.querySelector("input:checked, dialog[open]") !== null ||
    (region.contains(document.activeElement) && document.activeElement.matches("input, select, textarea")) ||
    (!getSelection().isCollapsed && region.contains(getSelection().anchorNode));

  // Where the keyboard is, in words that find the same place in a newer page.
  function placeOf(element) {
    if (element.id) return "#" + CSS.escape(element.id);
    if (element.matches("details[id] > summary")) return `#${CSS.escape(element.parentElement.id)} > summary`;
    return element.matches("a[href]") ? `a[href="${CSS.escape(element.getAttribute("href"))}"]` : "";
  }

  function keepOpen(region, next) {
    for (const details of region.querySelectorAll("details[id]")) {
      const same = next.querySelector("#" + CSS.escape(details.id));
      if (same) same.open = details.open;
    }
  }

  function replace(region, next) {
    const focused = region.contains(document.activeElement) ? placeOf(document.activeElement) : "";
    const scrolled = [...region.querySelectorAll("details[id] .scroll")].map((box) => [box.closest("details").id, box.scrollTop]);
    keepOpen(region, next);
    region.replaceWith(document.adoptNode(next));
    if (focused) next.querySelector(focused)?.focus({ preventScroll: true });
    for (const [id, top] of scrolled) {
      const box = next.querySelector(`#${CSS.escape(id)} .scroll`);
      if (box) box.scrollTop = top;
    }
  }

  function exchange(fresh) {
    for (const region of regions()) {
      const next = fresh.getElementById(region.id);
      if (!next || isBusy(region) || region.isEqualNode(next)) continue;
      replace(region, next);
    }
  }

  function ask() {
    if (document.hidden) return;
    if (asking) {
      askAgain = true;
      return;
    }
    asking = true;
    // A document that is fetched so runs no script.
    const request = new XMLHttpRequest();
    request.responseType = "document";
    request.open("GET", location.href);
    request.onloadend = () => {
      asking = false;
      if (request.status === 200 && request.response) {
        if (new URL(request.responseURL).pathname !== location.pathname) return location.reload();
        exchange(request.response);
      }
      if (askAgain) {
        askAgain = false;
        ask();
      }
    };
    request.send();
  }

  function startPolling() {
    poll ??= setInterval(ask, POLL_MS);
  }

  function stop() {
    source?.close();
    source = null;
    clearInterval(poll);
    poll = null;
  }

  function start() {
    if (source || poll) return;
    source = new EventSource("/dashboard/live");
    source.addEventListener("changed", ask);
    source.onerror = () => {
      // Refused rather than interrupted: it will not connect again by itself.
      if (source && source.readyState === EventSource.CLOSED) {
        source = null;
        startPolling();
      }
    };
  }

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return stop();
    start();
    ask();
  });
  start();
})();
