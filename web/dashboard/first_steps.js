/** A project without events has nothing to show: who opens it is led to where it says how to send some. */

import { ask } from "./api.js";
import { session } from "./session.js";
import { state } from "./state.js";

/** Go to "Send events" if the address names no view and the project is empty. */
export async function leadToFirstSteps() {
  const project = session.mode === null ? null : session.project;
  if (!project?.isActive || state.get("view") || state.get("invitation")) return;
  const query = { projectKey: project.projectKey, includeBots: true };
  const totals = await ask("GET", "/v1/reports/overview", { query }).catch(() => null);
  const isStillThere = session.project?.projectKey === project.projectKey && !state.get("view");
  if (totals?.totalEvents === 0 && isStillThere) state.set({ view: "start" }, { replace: true });
}
