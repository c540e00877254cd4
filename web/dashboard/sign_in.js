/** Logging in through Google: the way there, and what the browser comes back with. */

import { ask } from "./api.js";
import { h } from "./dom.js";
import { session } from "./session.js";
import { state } from "./state.js";

const LEFT_FROM = "apptracker.leftFrom";
let problem = null;

/** A button to Google; it is there where the service offers that. With an invitation whoever signs in uses it. */
export function googleButton(text, invitation = null) {
  const button = h("button", { type: "button", class: "button", hidden: true, onClick: () => leave(invitation) }, text);
  ask("GET", "/api/auth/methods").then(
    ({ methods }) => {
      button.hidden = !methods.includes("google");
    },
    () => {},
  );
  return button;
}

function leave(invitation) {
  sessionStorage.setItem(LEFT_FROM, location.search);
  location.assign(`/api/auth/google?${new URLSearchParams({ page: "dashboard", ...(invitation && { invitation }) })}`);
}

/**
 * Keep the token that the browser came back from Google with, and show what the tab showed before. Nothing of it stays in
 * the address, and a token is taken only where this tab asked for one: a link must not log anybody in as somebody else.
 */
export function comeBack() {
  const brought = new URLSearchParams(location.hash.slice(1));
  if (!brought.has("access_token") && !brought.has("sign_in_error")) return;
  history.replaceState(null, "", location.pathname + location.search);
  const leftFrom = sessionStorage.getItem(LEFT_FROM);
  sessionStorage.removeItem(LEFT_FROM);
  if (leftFrom === null) return;
  problem = brought.get("sign_in_error");
  const before = Object.fromEntries(new URLSearchParams(leftFrom));
  if (problem === null) {
    session.keepToken(brought.get("access_token"));
    delete before.invitation;
    if (["login", "register"].includes(before.view)) delete before.view;
  }
  state.set(before, { replace: true });
}

/** Why the last way to Google led to nothing, told once; null where nothing is to be told. */
export function takeProblem() {
  const told = problem;
  problem = null;
  return told;
}
