/** Everybody who may log in, for those who run the installation. */

import { ask } from "../api.js";
import { confirmDialog, openDialog } from "../dialog.js";
import { formatDay, h, replace } from "../dom.js";
import { badge, cardTable, headButton, readText, rowButton, textInput } from "../forms.js";
import { panel } from "../panel.js";
import { session } from "../session.js";

/** Fill the container. */
export function show(container) {
  const section = panel({
    title: "Users of this installation",
    wide: true,
    actions: [headButton("New user", () => openNew(section))],
    load: async (signal) => (await ask("GET", "/api/auth/users", { signal })).users,
    isEmpty: (users) => !users.length,
    emptyText: "Nobody has registered yet. The first user may do everything.",
    render: (users) => buildList(users, section),
  });
  replace(container, section);
}

function buildList(users, section) {
  const columns = [
    { key: "username", label: "User" },
    { key: "full_name", label: "Name" },
    { key: "email", label: "E-mail" },
    {
      key: "is_active",
      label: "State",
      render: (user) =>
        h(
          "span",
          null,
          user.is_active ? badge("active", "good") : badge("deactivated", "bad"),
          user.is_superuser ? [" ", badge("superuser")] : null,
        ),
    },
    { key: "created_at", label: "Since", format: (time) => formatDay(time) },
    { key: "actions", label: "", render: (user) => buildActions(user, section) },
  ];
  return cardTable({ columns, rows: users }, "Users");
}

function buildActions(user, section) {
  if (user.id === session.user?.id) return h("span", { class: "hint" }, "you");
  const { username } = user;
  const superuser = user.is_superuser
    ? rowButton("Take superuser away", `Take superuser away from ${username}`, () =>
        change(user, { is_superuser: false }, section),
      )
    : rowButton("Make superuser", `Make ${username} superuser`, () =>
        confirmChange(
          "Make superuser",
          `${username} may then do everything in every project of this installation.`,
          user,
          { is_superuser: true },
          section,
        ),
      );
  const active = user.is_active
    ? rowButton(
        "Deactivate",
        `Deactivate ${username}`,
        () =>
          confirmChange(
            "Deactivate",
            `${username} is logged out everywhere and cannot log in.`,
            user,
            { is_active: false },
            section,
          ),
        { isDanger: true },
      )
    : rowButton("Activate", `Activate ${username}`, () => change(user, { is_active: true }, section));
  return h("span", { class: "row-actions" }, superuser, active);
}

function confirmChange(confirm, text, user, body, section) {
  confirmDialog({
    title: `${confirm}: ${user.username}?`,
    text,
    confirm,
    onConfirm: () => change(user, body, section),
  });
}

async function change({ id }, body, section) {
  await ask("PATCH", `/api/auth/users/${id}`, { body });
  return section.reload();
}

function openNew(section) {
  const username = textInput({ label: "User name", required: true, maxlength: 100 });
  const email = textInput({ label: "E-mail (optional)", type: "email" });
  const fullName = textInput({ label: "Full name (optional)", maxlength: 200 });
  const password = textInput({
    label: "First password",
    type: "password",
    required: true,
    minlength: 8,
    maxlength: 200,
    autocomplete: "new-password",
    hint: "8 characters or more. The user can change it.",
  });
  openDialog({
    title: "New user",
    content: [username, email, fullName, password],
    confirm: "Create",
    onConfirm: async () => {
      const body = {
        username: username.input.value,
        email: readText(email),
        full_name: readText(fullName),
        password: password.input.value,
      };
      await ask("POST", "/api/auth/register", { body });
      return section.reload();
    },
  });
}
