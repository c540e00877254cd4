/** Coming in: as a user, or with an API key or SECRET_TOKEN. */

import { h, replace } from "../dom.js";
import { session } from "../session.js";
import { googleButton, takeProblem } from "../sign_in.js";
import { state } from "../state.js";
import { stateLink } from "./report_panel.js";

/** @param {HTMLElement} container */
export function show(container) {
  const told = takeProblem();
  const problem = h("p", { class: "problem", role: "alert", hidden: told === null }, told);
  const enter = (read) => async (event) => {
    event.preventDefault();
    problem.hidden = true;
    const button = event.target.querySelector("button");
    button.disabled = true;
    try {
      if (state.get("view") === "login") state.set({ view: null }, { replace: true });
      await session.logIn(read());
    } catch (error) {
      replace(problem, error.message);
      problem.hidden = false;
      button.disabled = false;
    }
  };
  const user = buildUserForm(enter);
  const key = buildKeyForm(enter);
  container.append(
    h(
      "div",
      { class: "login panel" },
      h(
        "div",
        { class: "panel-body" },
        problem,
        user,
        googleButton("Log in with Google"),
        h("p", { class: "or" }, "or"),
        key,
        h("p", { class: "hint" }, "No account yet? ", stateLink({ view: "register" }, "Register"), "."),
      ),
    ),
  );
  user.querySelector("input").focus();
}

function buildUserForm(enter) {
  const name = h("input", { id: "login-name", class: "input", autocomplete: "username", required: true });
  const password = h("input", {
    id: "login-password",
    class: "input",
    type: "password",
    autocomplete: "current-password",
    required: true,
  });
  return h(
    "form",
    { class: "form", onSubmit: enter(() => ({ username: name.value, password: password.value })) },
    h("div", { class: "field" }, h("label", { for: name.id }, "User name or e-mail"), name),
    h("div", { class: "field" }, h("label", { for: password.id }, "Password"), password),
    h("button", { class: "button primary", type: "submit" }, "Log in"),
  );
}

function buildKeyForm(enter) {
  const secret = h("input", {
    id: "login-secret",
    class: "input",
    type: "password",
    autocomplete: "off",
    required: true,
  });
  return h(
    "form",
    { class: "form", onSubmit: enter(() => ({ secret: secret.value })) },
    h(
      "div",
      { class: "field" },
      h("label", { for: secret.id }, "API key or SECRET_TOKEN"),
      secret,
      h("p", { class: "hint" }, "Kept until this tab is closed."),
    ),
    h("button", { class: "button", type: "submit" }, "Look with the key"),
  );
}
