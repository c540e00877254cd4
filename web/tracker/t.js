/*
 * AppTracker for websites. What it sends and how it is configured: docs/tracker.md.
 *
 *   <script async src="https://analytics.example.com/t.js" data-project="a1b2c3d4e5f6"></script>
 *
 * Served without comments and spaces; everything else stays as it is written here.
 */
(() => {
  const script = document.currentScript || document.querySelector("script[data-project]");
  const options = script ? script.dataset : {};
  const early = window.apptracker;
  if (early && !Array.isArray(early)) return; // loaded twice
  if (!options.project) return console.error("AppTracker: the script needs data-project");

  const host = options.host || script.src.replace(/\/t\.js.*/, "");
  const prefix = "apptracker." + options.project + ".";
  const isAutomatic = options.auto !== "false";
  const SEND_AFTER_MS = 1e3, RETRY_MOST_MS = 6e4, SEND_MOST = 100, SEND_LEAVING = 40, KEEP_MOST = 1e3;
  // Bytes of a request that outlives its page; browsers allow 64 KB.
  const OUTLIVING_MOST = 6e4;
  // Half an hour without an event ends a session. Leaving a page that lay open for longer must not begin a new one; a
  // minute less, since the server corrects the clock anew for each request.
  const SILENCE_MS = 174e4;
  const FILE = /\.(7z|apk|avi|csv|dmg|docx?|epub|exe|gz|iso|m4a|mov|mp[34]|msi|pdf|pkg|pptx?|rar|rtf|tar|tgz|txt|wav|xlsx?|xz|zip)$/i;

  const on = (target, type, listener) => target.addEventListener(type, listener, true);
  const makeId = () => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => (byte + 256).toString(16).slice(1)).join("");

  /* What this browser remembers; only this page, where its storage is blocked or full. */

  const memory = {};
  const withStorage = (action) => {
    try {
      return action(localStorage);
    } catch {
      return null;
    }
  };
  const read = (name) => withStorage((storage) => storage.getItem(prefix + name)) || memory[name];
  const write = (name, value) => {
    if (!withStorage((storage) => !storage.setItem(prefix + name, value))) memory[name] = value;
  };
  const erase = (name) => {
    delete memory[name];
    withStorage((storage) => storage.removeItem(prefix + name));
  };
  // Events of other tabs and of earlier visits that nobody confirmed.
  const listKept = () =>
    (withStorage(Object.keys) || []).filter((key) => key.startsWith(prefix + "e.")).map((key) => key.slice(prefix.length));

  /* May anything be sent, and as whose. */

  const asksNotTo = () =>
    options.dnt !== "ignore" && (navigator.globalPrivacyControl || navigator.doNotTrack === "1");
  const isAllowed = () => {
    const consent = read("consent");
    return consent ? consent === "yes" : options.consent !== "required" && !asksNotTo();
  };
  const readAnonymousId = () => {
    if (!read("id")) write("id", makeId());
    return read("id");
  };

  /* Sending: an event waits until the server confirms it, here and in the storage. */

  const waiting = new Map();
  const underway = new Set();
  let timer, isSending, failures = 0;

  const schedule = (delay) => {
    timer = timer || setTimeout(send, delay);
  };
  const keep = (event) => {
    waiting.set(event.eventId, event);
    if (waiting.size <= KEEP_MOST) write("e." + event.eventId, JSON.stringify(event));
    schedule(SEND_AFTER_MS);
  };
  const forget = (id) => {
    waiting.delete(id);
    erase("e." + id);
  };
  const retry = (seconds) => {
    const pause = Math.min(RETRY_MOST_MS, 1e3 * 2 ** failures++) * (0.5 + Math.random() / 2);
    clearTimeout(timer);
    timer = setTimeout(send, seconds > 0 ? seconds * 1e3 : pause);
  };
  const buildBody = (events) => JSON.stringify({
    projectKey: options.project,
    sentAt: Date.now(),
    context: { metadata: { screen: screen.width + "x" + screen.height, language: navigator.language } },
    events,
  });

  const send = () => {
    clearTimeout(timer);
    timer = 0;
    settleTitle();
    if (!isSending) post([...waiting.values()].filter(({ eventId }) => !underway.has(eventId)).slice(0, SEND_MOST));
  };
  // The newest: what waits for longer is kept for the next page.
  const sendLeaving = () => {
    leave();
    visibleSince = undefined;
    settleTitle();
    post([...waiting.values()].filter(({ eventId }) => !underway.has(eventId)).slice(-SEND_LEAVING), true);
  };
  // As text/plain, which needs no preflight. An answer that nobody waits for leaves the events where they are: they are
  // sent again with the next page, and their ids keep them from counting twice.
  const post = (events, isLeaving) => {
    // Another tab may have been told since that nothing is wanted.
    if (!isAllowed()) return waiting.clear();
    if (!events.length) return;
    const body = buildBody(events), url = host + "/v1/events/batch", ids = events.map(({ eventId }) => eventId);
    ids.forEach((id) => underway.add(id));
    if (isLeaving && !("keepalive" in Request.prototype)) return navigator.sendBeacon(url, body);
    isSending = true;
    const finish = (status, seconds) => {
      isSending = false;
      ids.forEach((id) => underway.delete(id));
      if (!status || status >= 500 || status === 429) return retry(seconds);
      if (status >= 400) console.warn("AppTracker: refused with status " + status);
      failures = 0;
      ids.forEach(forget);
      if (waiting.size) schedule(0);
    };
    fetch(url, { method: "POST", body, keepalive: new Blob([body]).size < OUTLIVING_MOST, credentials: "omit" }).then(
      (answer) => finish(answer.status, +answer.headers.get("Retry-After")),
      () => finish(),
    );
  };

  /* Events, and views: of a page, or of what a single-page application shows under an address. */

  const isByHash = options.hash === "true";
  const locate = () => isByHash
    ? location.origin + (location.pathname + location.hash.replace(/^#!?\/?/, "/")).replace(/\/+/g, "/") + location.search
    : location.href.split("#")[0];
  let url = locate(), referrer = document.referrer, lastTime = 0, hasView, untitled, visibleSince, visibleMs = 0;

  const record = (eventName, metadata, timestamp = Date.now()) => {
    // Strictly later than the event before: a view is left before the next one begins.
    lastTime = Math.max(timestamp, lastTime + 1);
    // A copy: what the page does with its objects later is not the event's, and what is no JSON fails here and now.
    const copy = JSON.parse(JSON.stringify({ ...metadata }));
    const event = { eventName, eventId: makeId(), timestamp: lastTime, anonymousId: readAnonymousId(), url, metadata: copy };
    if (read("user")) event.userId = read("user");
    if (referrer) event.referrer = referrer;
    keep(event);
    return event;
  };
  const track = (eventName, metadata) => {
    if (isAllowed()) record(eventName, metadata);
  };
  // Applications change the title after the address: it is read as late as possible.
  const settleTitle = () => {
    if (untitled) untitled.metadata.title = document.title;
    untitled = null;
  };
  const page = (metadata) => {
    leave();
    settleTitle();
    if (hasView && locate() !== url) referrer = url;
    url = locate();
    hasView = isAllowed();
    if (!hasView) return;
    const view = record("page_view", { title: document.title, ...metadata });
    if (!metadata || !metadata.title) untitled = view;
  };
  const countVisible = () => {
    const now = performance.now();
    visibleMs += visibleSince === undefined ? 0 : now - visibleSince;
    visibleSince = document.visibilityState === "visible" ? now : undefined;
  };
  // The time since the view began, or was last left.
  const leave = () => {
    countVisible();
    const ms = Math.min(Math.round(visibleMs), SILENCE_MS);
    visibleMs = 0;
    if (ms && hasView && isAllowed()) {
      record("page_leave", { visibleSeconds: ms / 1e3 }, Math.min(Date.now(), lastTime + SILENCE_MS));
    }
  };
  const follow = (isReplaced) => {
    const next = locate();
    // An application that only keeps its state in the address shows the same page.
    const isSame = isReplaced ? next.split("?")[0] === url.split("?")[0] : next === url;
    if (isAutomatic && !isSame) page();
    else url = next;
  };
  const noteClick = (click) => {
    const link = click.composedPath().find((element) => element.href && element.protocol);
    if (click.button > 1 || !link || !/^http/.test(link.protocol)) return;
    if (link.hasAttribute("download") || FILE.test(link.pathname)) track("file_download", { href: link.href });
    else if (link.host !== location.host) track("outbound_link", { href: link.href });
  };

  /* What pages may call; what they called before this was loaded is done now. */

  const api = {
    track,
    page,
    identify(userId, traits) {
      if (!isAllowed() || userId == null || userId === "") return;
      write("user", String(userId));
      track("identify", traits);
    },
    reset() {
      erase("id");
      erase("user");
    },
    consent(isGiven) {
      write("consent", isGiven ? "yes" : "no");
      if (isGiven) return hasView || !isAutomatic || page();
      api.reset();
      listKept().forEach(erase);
      waiting.clear();
      hasView = untitled = null;
    },
    anonymousId: () => (isAllowed() ? readAnonymousId() : null),
    push: ([name, ...values]) => api[name](...values),
  };
  window.apptracker = api;

  const start = () => {
    countVisible();
    if (isAllowed()) {
      listKept().forEach((name) => {
        try {
          keep(JSON.parse(read(name)));
        } catch {
          erase(name);
        }
      });
      if (isAutomatic) page();
    }
    ["pushState", "replaceState"].forEach((name) => {
      const original = history[name];
      history[name] = function (...values) {
        original.apply(this, values);
        follow(name === "replaceState");
      };
    });
    on(window, "popstate", () => follow());
    on(window, "hashchange", () => follow());
    on(window, "pageshow", (event) => event.persisted && isAutomatic && page());
    on(window, "pagehide", sendLeaving);
    on(window, "online", send);
    on(document, "visibilitychange", () => (document.visibilityState === "hidden" ? sendLeaving() : countVisible()));
    if (options.links !== "false") ["click", "auxclick"].forEach((type) => on(document, type, noteClick));
    (early || []).forEach(api.push);
  };
  if (document.prerendering) on(document, "prerenderingchange", start);
  else start();
})();
