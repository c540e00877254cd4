/** Making and changing a cohort: by conditions on what people did, or by their ids. */

import { ask } from "../api.js";
import { forgetCohorts } from "../catalogue.js";
import { h, replace } from "../dom.js";
import { areaInput, readText, textInput } from "../forms.js";
import { selectInput } from "../inputs.js";
import { session } from "../session.js";
import { conditionsEditor } from "./cohort_conditions.js";

const ADDRESS = "/v1/cohorts";
const KINDS = [
  ["conditions", "By what they did"],
  ["userIds", "By their ids"],
];
const MATCHES = [
  ["all", "all of these hold"],
  ["any", "any of these holds"],
];

/** Fill the container with the form of the cohort `id`, or of a new one; `leave` is called when it is done. */
export async function showEditor(container, id, leave) {
  const query = { projectKey: session.project.projectKey };
  const cohort = id === "new" ? null : await ask("GET", `${ADDRESS}/${encodeURIComponent(id)}`, { query });
  if (!container.isConnected) return;
  const definition = cohort?.definition ?? { match: "all", conditions: [{ eventName: "", atLeast: 1 }] };
  const fields = buildFields(cohort, definition);
  const problem = h("p", { class: "problem", role: "alert", hidden: true });
  const submit = async (event) => {
    event.preventDefault();
    try {
      await keep(cohort, { ...query, ...readFields(fields) });
      forgetCohorts();
      leave();
    } catch (error) {
      replace(problem, error.message);
      problem.hidden = false;
    }
  };
  replace(
    container,
    h(
      "form",
      { class: "panel narrow", "aria-label": cohort ? `Cohort ${cohort.name}` : "New cohort", onSubmit: submit },
      h(
        "div",
        { class: "panel-body form spaced" },
        h("h2", null, cohort ? `Change ${cohort.name}` : "New cohort"),
        fields.name,
        fields.description,
        fields.kind,
        fields.byConditions,
        fields.byIds,
        problem,
        h(
          "div",
          { class: "row-actions" },
          h("button", { type: "submit", class: "button primary" }, cohort ? "Save" : "Create"),
          h("button", { type: "button", class: "button", onClick: leave }, "Cancel"),
        ),
      ),
    ),
  );
}

function keep(cohort, body) {
  return cohort ? ask("PATCH", `${ADDRESS}/${cohort.id}`, { body }) : ask("POST", ADDRESS, { body });
}

function buildFields(cohort, definition) {
  const isList = "userIds" in definition;
  const conditions = conditionsEditor(definition.conditions ?? [{ eventName: "", atLeast: 1 }]);
  const match = selectInput({ label: "People for whom", choices: MATCHES, value: definition.match ?? "all" });
  const ids = areaInput({
    label: "Ids, one a line",
    rows: 8,
    value: (definition.userIds ?? []).join("\n"),
    hint: "As reports show them: the userId, else the anonymousId.",
  });
  const byConditions = h("div", { class: "stack", hidden: isList }, match, conditions.element);
  const byIds = h("div", { hidden: !isList }, ids);
  const kind = selectInput({
    label: "Who is in it",
    choices: KINDS,
    value: isList ? "userIds" : "conditions",
    onChange: (value) => {
      byConditions.hidden = value === "userIds";
      byIds.hidden = value !== "userIds";
    },
  });
  return {
    name: textInput({
      label: "Name",
      required: true,
      maxlength: 200,
      value: cohort?.name ?? "",
      placeholder: "Loyal customers",
    }),
    description: textInput({ label: "Description (optional)", maxlength: 2000, value: cohort?.description ?? "" }),
    kind,
    match,
    conditions,
    ids,
    byConditions,
    byIds,
  };
}

function readFields({ name, description, kind, match, conditions, ids }) {
  const definition =
    kind.input.value === "userIds"
      ? {
          userIds: ids.input.value
            .split("\n")
            .map((line) => line.trim())
            .filter(Boolean),
        }
      : { match: match.input.value, conditions: conditions.read() };
  return { name: name.input.value, description: readText(description), definition };
}
