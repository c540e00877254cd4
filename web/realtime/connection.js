/** The WebSocket: open as long as it can be, opened again when it breaks. */

const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 15_000;
const PROTOCOL = "apptracker";

/**
 * Stay connected until the result is called.
 * @param {{secret: string|null, projectKey: string|null}} who
 * @param {{onMessage: (message: Object) => void, onState: (state: "open"|"retrying") => void, onRefusal: (message: string) => void}} handlers
 * @returns {() => void} disconnects
 */
export function connect(who, { onMessage, onState, onRefusal }) {
  let socket = null;
  let timer = 0;
  let waitMs = FIRST_WAIT_MS;
  let isOver = false;

  const open = async () => {
    const refusal = await findRefusal(who);
    if (isOver) return;
    if (refusal) return onRefusal(refusal);
    socket = new WebSocket(buildAddress(who.projectKey), buildProtocols(who.secret));
    socket.onopen = () => {
      waitMs = FIRST_WAIT_MS;
      onState("open");
    };
    socket.onmessage = (event) => !isOver && onMessage(JSON.parse(event.data));
    socket.onclose = () => !isOver && retry();
  };
  const retry = () => {
    onState("retrying");
    timer = setTimeout(() => open().catch(retry), waitMs);
    waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS);
  };
  open().catch(retry);
  return () => {
    isOver = true;
    clearTimeout(timer);
    socket?.close();
  };
}

/** The headers that show who asks. */
export function buildHeaders(secret) {
  return secret ? { Authorization: `Bearer ${secret}` } : {};
}

/** The sentence with which the service refuses; null where it does not. A WebSocket that is refused does not tell. */
async function findRefusal({ secret, projectKey }) {
  const query = projectKey ? `?${new URLSearchParams({ projectKey })}` : "";
  const answer = await fetch(`/api/realtime/stats${query}`, { headers: buildHeaders(secret) });
  if (answer.ok) return null;
  if (answer.status === 429 || answer.status >= 500) throw new Error("not now");
  return (await answer.json()).error;
}

function buildAddress(projectKey) {
  const address = new URL("/api/realtime/ws", location.href);
  address.protocol = address.protocol.replace("http", "ws");
  if (projectKey) address.searchParams.set("projectKey", projectKey);
  return address;
}

/** A page cannot set headers of a WebSocket: the secret is proposed as if it were a protocol. */
function buildProtocols(secret) {
  return secret ? [PROTOCOL, `bearer.${encodeBase64Url(secret)}`] : [PROTOCOL];
}

function encodeBase64Url(text) {
  const bytes = Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte));
  return btoa(bytes.join("")).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
