/** Coming in for the first time: by an invitation, or by registering where that is open. */

import { ask } from "../api.js";
import { h, replace } from "../dom.js";
import { readText, textInput } from "../forms.js";
import { session } from "../session.js";
import { googleButton, takeProblem } from "../sign_in.js";
import { state } from "../state.js";
import { stateLink } from "./report_panel.js";

/** Fill the container. */
export function show(container) {
  const token = state.get("invitation");
  const told = takeProblem();
  const problem = h("p", { class: "problem", role: "alert", hidden: told === null }, told);
  const enter = (action) => async (event) => {
    event.preventDefault();
    problem.hidden = true;
    const button = event.target.querySelector("button[type=submit]");
    button.disabled = true;
    try {
      await action();
    } catch (error) {
      replace(problem, error.message);
      problem.hidden = false;
    }
    button.disabled = false;
  };
  const content = token && session.mode === "user" ? buildJoining(token, enter) : buildForms(token, enter);
  replace(container, h("div", { class: "login panel" }, h("div", { class: "panel-body" }, problem, content)));
}

function buildJoining(token, enter) {
  const join = async () => {
    await accept(token);
    await session.start();
    leave();
  };
  return h(
    "form",
    { class: "form", onSubmit: enter(join) },
    h(
      "p",
      null,
      "You are invited into an organisation. You are logged in as ",
      h("strong", null, session.user.username),
      ".",
    ),
    h("button", { type: "submit", class: "button primary" }, "Join"),
    stateLink({ invitation: null, view: null }, "Not now"),
  );
}

function accept(token) {
  return ask("POST", "/v1/invitations/accept", { body: { token } });
}

function leave() {
  state.set({ invitation: null, view: null });
}

function buildForms(token, enter) {
  return [
    h("p", null, token ? "You are invited. Choose a name and a password." : "Register to make projects of your own."),
    buildRegistration(token, enter),
    googleButton("Register with Google", token),
    h("p", { class: "or" }, "or"),
    token ? buildLogin(enter) : stateLink({ view: "login" }, "Log in"),
  ];
}

function buildRegistration(token, enter) {
  const username = textInput({ label: "User name", required: true, maxlength: 100, autocomplete: "username" });
  const email = textInput({ label: "E-mail (optional)", type: "email", autocomplete: "email" });
  const fullName = textInput({ label: "Full name (optional)", maxlength: 200, autocomplete: "name" });
  const password = textInput({
    label: "Password",
    type: "password",
    required: true,
    minlength: 8,
    maxlength: 200,
    autocomplete: "new-password",
    hint: "8 characters or more.",
  });
  const register = async () => {
    const names = { username: username.input.value, email: readText(email), full_name: readText(fullName) };
    const given = Object.fromEntries(Object.entries(names).filter(([, value]) => value !== null));
    await ask("POST", "/api/auth/register", {
      body: { ...given, password: password.input.value, ...(token ? { invitation: token } : {}) },
    });
    state.set({ invitation: null, view: null }, { replace: true });
    await session.logIn({ username: names.username, password: password.input.value });
  };
  return h(
    "form",
    { class: "form", onSubmit: enter(register) },
    username,
    email,
    fullName,
    password,
    h("button", { type: "submit", class: "button primary" }, "Register"),
  );
}

function buildLogin(enter) {
  const username = textInput({ label: "User name or e-mail", required: true, autocomplete: "username" });
  const password = textInput({ label: "Password", type: "password", required: true, autocomplete: "current-password" });
  // the page is drawn anew then, for a user, who joins with one more click
  const logIn = () => session.logIn({ username: username.input.value, password: password.input.value });
  return h(
    "form",
    { class: "form", onSubmit: enter(logIn) },
    h("p", null, "You have an account already?"),
    username,
    password,
    h("button", { type: "submit", class: "button" }, "Log in to join"),
  );
}
