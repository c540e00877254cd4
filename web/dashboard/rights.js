/** What the present visitor may do beyond the chosen project. The service decides; this only hides what it would refuse. */

import { session } from "./session.js";

const ADMINS = ["owner", "admin"];

/** Whether the whole installation may be administered. */
export function isRoot() {
  return session.mode === "open" || session.mode === "token" || Boolean(session.user?.is_superuser);
}

/** Whether projects may be made: by owners and admins of some organisation. */
export function canMakeProjects() {
  return isRoot() || session.organisations.some(({ role }) => ADMINS.includes(role));
}

/** Whether this project may be changed. */
export function canAdminister(project) {
  if (isRoot()) return true;
  return session.mode === "key" ? session.isAdminKey : ADMINS.includes(project.role);
}

/** Whether members of an organisation may be invited and changed. */
export function canInvite(organisation) {
  return isRoot() || ADMINS.includes(organisation.role);
}

/** Whether an organisation may be renamed and deleted. */
export function isOwner(organisation) {
  return isRoot() || organisation.role === "owner";
}

/** Whether a role may be given and taken away: owners every one, admins those below owner. */
export function mayManage(organisation, role) {
  return isOwner(organisation) || (organisation.role === "admin" && role !== "owner");
}
