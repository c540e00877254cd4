/** What the Save button of a panel leads to: the question is kept under a name. */

import { ask, joinParameters } from "./api.js";
import { openDialog } from "./dialog.js";
import { announce, h } from "./dom.js";
import { areaInput, readText, textInput } from "./forms.js";
import { describeParameters, nameReport } from "./report_names.js";
import { session } from "./session.js";

/** Have "panel:save" of any panel open the dialog. */
export function listenForSaves() {
  document.addEventListener("panel:save", ({ detail }) => openSave(detail));
}

function openSave({ report, parameters, title }) {
  const { projectKey, ...question } = joinParameters(parameters);
  const name = textInput({ label: "Name", required: true, maxlength: 200, value: title });
  const description = areaInput({ label: "What it is for (optional)", maxlength: 2000 });
  openDialog({
    title: "Save this report",
    content: [
      name,
      description,
      h(
        "p",
        { class: "hint" },
        `${nameReport(report)}, ${describeParameters(question)}${question.filters ? ", with these filters" : ""}.`,
      ),
    ],
    confirm: "Save",
    onConfirm: async () => {
      const body = {
        projectKey,
        name: name.input.value,
        description: readText(description),
        report,
        parameters: question,
      };
      await ask("POST", "/v1/saved-reports", { body });
      announce(`${name.input.value} is saved.`);
    },
  });
  name.input.select();
}
