/** One's own account: password, and leaving everywhere. */

import { ask } from "../api.js";
import { confirmDialog } from "../dialog.js";
import { announce, formatDay, h, replace } from "../dom.js";
import { textInput } from "../forms.js";
import { session } from "../session.js";

/** Fill the container. */
export function show(container) {
  replace(container, h("div", { class: "grid" }, buildSelf(session.user), buildPassword(), buildLeaving()));
}

function buildPanel(title, ...content) {
  return h(
    "section",
    { class: "panel" },
    h("header", { class: "panel-head" }, h("div", { class: "panel-title" }, h("h2", null, title))),
    h("div", { class: "panel-body" }, content),
  );
}

function buildSelf({ username, full_name: fullName, email, is_superuser: isSuperuser, created_at: createdAt }) {
  const rows = [
    ["User name", username],
    ["Name", fullName ?? "–"],
    ["E-mail", email ?? "–"],
    ["Since", formatDay(createdAt)],
    ["Superuser", isSuperuser ? "yes" : "no"],
  ];
  return buildPanel(
    "You",
    h(
      "dl",
      { class: "facts" },
      rows.map(([term, text]) => h("div", null, h("dt", null, term), h("dd", null, text))),
    ),
    session.organisations.length
      ? h(
          "p",
          { class: "hint" },
          `Organisations: ${session.organisations.map(({ name, role }) => (role ? `${name} (${role})` : name)).join(", ")}`,
        )
      : null,
  );
}

function buildPassword() {
  const current = textInput({
    label: "Current password",
    type: "password",
    autocomplete: "current-password",
    hint: "Empty if you only ever signed in through Google.",
  });
  const fresh = textInput({
    label: "New password",
    type: "password",
    required: true,
    minlength: 8,
    maxlength: 200,
    autocomplete: "new-password",
  });
  const again = textInput({
    label: "New password again",
    type: "password",
    required: true,
    autocomplete: "new-password",
  });
  const outcome = h("p", { role: "status" });
  const submit = async (event) => {
    event.preventDefault();
    try {
      await changePassword(current.input.value, fresh.input.value, again.input.value);
      event.target.reset();
      tell(outcome, "The password is changed. You stay logged in here, and nowhere else.", "done");
    } catch (error) {
      tell(outcome, error.message, "problem");
    }
  };
  return buildPanel(
    "Password",
    h(
      "form",
      { class: "form", onSubmit: submit },
      current,
      fresh,
      again,
      outcome,
      h("button", { type: "submit", class: "button primary" }, "Change the password"),
    ),
  );
}

async function changePassword(current, fresh, again) {
  if (fresh !== again) throw new Error("The two new passwords are not the same.");
  const body = { new_password: fresh, ...(current ? { current_password: current } : {}) };
  session.keepToken((await ask("POST", "/api/auth/password", { body })).access_token);
}

function tell(outcome, text, kind) {
  outcome.className = kind;
  outcome.textContent = text;
  announce(text);
}

function buildLeaving() {
  const leave = () =>
    confirmDialog({
      title: "Log out everywhere?",
      text: "Every device that is logged in as you has to log in again, this one included.",
      confirm: "Log out everywhere",
      onConfirm: async () => {
        await ask("POST", "/api/auth/logout-everywhere");
        session.logOut();
      },
    });
  return buildPanel(
    "Other devices",
    h("p", { class: "spaced" }, "Lost a device, or used one that is not yours? End every login at once."),
    h("button", { type: "button", class: "button danger", onClick: leave }, "Log out everywhere"),
  );
}
