/** Who works together: the members of an organisation, and invitations into it. */

import { ask } from "../api.js";
import { confirmDialog, openDialog } from "../dialog.js";
import { formatDay, formatTime, h, replace } from "../dom.js";
import { badge, cardTable, headButton, readText, rowButton, showSecret, textInput } from "../forms.js";
import { selectInput } from "../inputs.js";
import { buildEmpty, buildError, panel } from "../panel.js";
import { canInvite, isOwner, mayManage } from "../rights.js";
import { session } from "../session.js";
import { state } from "../state.js";

const CHOSEN = "members.organisation";
const ROLES = [
  ["viewer", "viewer: sees reports"],
  ["analyst", "analyst: also saves reports, notes, cohorts"],
  ["admin", "admin: also manages projects and members"],
  ["owner", "owner: everything"],
];

/** Fill the container; the result ends it. */
export async function show(container) {
  const draw = () => drawAll(container, draw).catch((error) => replace(container, buildError(error, draw)));
  const unsubscribe = state.subscribe(CHOSEN, draw);
  await draw();
  return unsubscribe;
}

async function drawAll(container, redraw) {
  const { organisations } = await ask("GET", "/v1/organisations");
  if (!container.isConnected) return;
  const chosen =
    organisations.find(({ id }) => id === state.get(CHOSEN)) ??
    organisations.find(({ id }) => id === session.project?.organisationId) ??
    organisations[0];
  if (!chosen) {
    replace(container, buildEmpty("There is no organisation yet. Its members share projects.", foundButton(redraw)));
    return;
  }
  const members = buildMembers(chosen, redraw);
  replace(
    container,
    h(
      "div",
      { class: "stack" },
      buildHead(organisations, chosen, redraw),
      members,
      canInvite(chosen) ? buildInvitations(chosen) : null,
    ),
  );
}

function buildHead(organisations, chosen, redraw) {
  const choices = organisations.map(({ id, name }) => [id, name]);
  const own = isOwner(chosen)
    ? [
        rowButton("Rename", `Rename ${chosen.name}`, () => openRename(chosen, redraw)),
        rowButton("Delete", `Delete ${chosen.name}`, () => openDelete(chosen, redraw), { isDanger: true }),
      ]
    : [];
  return h(
    "div",
    { class: "organisation-head" },
    selectInput({ label: "Organisation", choices, value: chosen.id, onChange: (id) => state.set({ [CHOSEN]: id }) }),
    chosen.role ? h("span", { class: "hint" }, "You are ", badge(chosen.role)) : null,
    h("span", { class: "row-actions" }, own, foundButton(redraw)),
  );
}

function foundButton(redraw) {
  return rowButton("New organisation", "New organisation", () => {
    const name = textInput({ label: "Name", required: true, maxlength: 200 });
    openDialog({
      title: "New organisation",
      content: [name],
      confirm: "Create",
      onConfirm: async () => {
        const { id } = await ask("POST", "/v1/organisations", { body: { name: name.input.value } });
        await session.reloadProjects();
        if (state.get(CHOSEN) === id) redraw();
        else state.set({ [CHOSEN]: id });
      },
    });
  });
}

function openRename({ id, name }, redraw) {
  const field = textInput({ label: "Name", value: name, required: true, maxlength: 200 });
  openDialog({
    title: `Rename ${name}`,
    content: [field],
    confirm: "Rename",
    onConfirm: async () => {
      await ask("PATCH", `/v1/organisations/${id}`, { body: { name: field.input.value } });
      return redraw();
    },
  });
}

function openDelete({ id, name }, redraw) {
  confirmDialog({
    title: `Delete ${name}?`,
    text: "Its memberships and invitations end. Projects have to be erased or given away before.",
    confirm: "Delete",
    onConfirm: async () => {
      await ask("DELETE", `/v1/organisations/${id}`);
      await session.reloadProjects();
      if (state.get(CHOSEN)) state.set({ [CHOSEN]: null });
      else redraw();
    },
  });
}

function buildMembers(organisation, redraw) {
  const address = `/v1/organisations/${organisation.id}/members`;
  const section = panel({
    title: `Members of ${organisation.name}`,
    wide: true,
    load: async (signal) => (await ask("GET", address, { signal })).members,
    isEmpty: (members) => !members.length,
    emptyText: "Nobody is in it yet: invite somebody.",
    render: (members) => buildMemberList(members, organisation, { address, section, redraw }),
  });
  return section;
}

function buildMemberList(members, organisation, place) {
  const columns = [
    {
      key: "username",
      label: "Name",
      render: ({ username, fullName, isActive }) =>
        h(
          "span",
          null,
          username,
          fullName ? h("span", { class: "hint" }, ` ${fullName}`) : null,
          isActive ? null : [" ", badge("deactivated", "bad")],
        ),
    },
    { key: "email", label: "E-mail" },
    { key: "role", label: "Role", render: (member) => buildRole(member, organisation, place) },
    { key: "createdAt", label: "Since", format: (time) => formatDay(time) },
    { key: "actions", label: "", render: (member) => buildMemberActions(member, organisation, place) },
  ];
  return cardTable({ columns, rows: members }, `Members of ${organisation.name}`);
}

function buildRole(member, organisation, { address, section }) {
  if (!mayManage(organisation, member.role)) return member.role;
  const choices = ROLES.filter(([role]) => mayManage(organisation, role)).map(([role]) => [role, role]);
  const problem = h("span", { class: "problem small", role: "alert", hidden: true });
  const field = selectInput({
    label: `Role of ${member.username}`,
    isLabelHidden: true,
    choices,
    value: member.role,
    onChange: async (role) => {
      try {
        await ask("PATCH", `${address}/${member.userId}`, { body: { role } });
        section.reload();
      } catch (error) {
        field.input.value = member.role;
        replace(problem, error.message);
        problem.hidden = false;
      }
    },
  });
  return h("span", { class: "role-choice" }, field, problem);
}

function buildMemberActions(member, organisation, place) {
  const isSelf = member.userId === session.user?.id;
  if (!isSelf && !mayManage(organisation, member.role)) return "";
  const [text, label] = isSelf ? ["Leave", `Leave ${organisation.name}`] : ["Remove", `Remove ${member.username}`];
  return rowButton(text, label, () => openRemove(member, label, place, isSelf), { isDanger: true });
}

function openRemove(member, label, { address, section, redraw }, isSelf) {
  confirmDialog({
    title: `${label}?`,
    text: `${isSelf ? "You no longer see" : `${member.username} no longer sees`} the projects of this organisation.`,
    confirm: isSelf ? "Leave" : "Remove",
    onConfirm: async () => {
      await ask("DELETE", `${address}/${member.userId}`);
      if (!isSelf) return section.reload();
      await session.reloadProjects();
      return redraw();
    },
  });
}

function buildInvitations(organisation) {
  const address = `/v1/organisations/${organisation.id}/invitations`;
  const section = panel({
    title: "Open invitations",
    wide: true,
    actions: [headButton("Invite somebody", () => openInvite(organisation, address, section))],
    load: async (signal) => (await ask("GET", address, { signal })).invitations,
    isEmpty: (invitations) => !invitations.length,
    emptyText: "Nobody is invited at the moment.",
    render: (invitations) => buildInvitationList(invitations, address, section),
  });
  return section;
}

function buildInvitationList(invitations, address, section) {
  const columns = [
    { key: "email", label: "For", format: (email) => email ?? "whoever has the link" },
    { key: "role", label: "As" },
    { key: "createdAt", label: "Made", format: (time) => formatDay(time) },
    { key: "expiresAt", label: "Ends (UTC)", format: (time) => formatTime(time) },
    {
      key: "actions",
      label: "",
      render: ({ id, email }) =>
        rowButton(
          "Withdraw",
          `Withdraw the invitation for ${email ?? "whoever has the link"}`,
          async () => {
            await ask("DELETE", `${address}/${id}`);
            section.reload();
          },
          { isDanger: true },
        ),
    },
  ];
  return cardTable({ columns, rows: invitations }, "Open invitations");
}

function openInvite(organisation, address, section) {
  const role = selectInput({
    label: "As",
    choices: ROLES.filter(([each]) => mayManage(organisation, each)),
    value: "viewer",
  });
  const email = textInput({
    label: "E-mail (optional)",
    type: "email",
    hint: "Only who has this address may use the link then.",
  });
  openDialog({
    title: `Invite into ${organisation.name}`,
    content: [role, email],
    confirm: "Make a link",
    onConfirm: async () => {
      const body = { role: role.input.value, ...(readText(email) ? { email: readText(email) } : {}) };
      const { token } = await ask("POST", address, { body });
      section.reload();
      showSecret({
        title: "The invitation",
        label: "link",
        secret: `${location.origin}/dashboard?invitation=${token}`,
        note: "Send this link. It works once, for a week: to register, or to join as a user.",
      });
    },
  });
}
