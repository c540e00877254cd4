/** Tabs that are kept in the address. */

import { h, onDispose } from "./dom.js";
import { state } from "./state.js";

/**
 * A row of buttons, one of them pressed.
 * @param {{key: string, label: string, choices: [string, string][]}} options the first choice is the one without `key`
 */
export function buildTabs({ key, label, choices }) {
  const buttons = choices.map(([value, text], index) =>
    h(
      "button",
      {
        type: "button",
        dataset: { value },
        onClick: () => state.set({ [key]: index ? value : null }, { replace: true }),
      },
      text,
    ),
  );
  const draw = () => {
    for (const button of buttons)
      button.setAttribute("aria-pressed", String(button.dataset.value === readTab({ key, choices })));
  };
  draw();
  return onDispose(
    h("div", { class: "tabs", role: "group", "aria-label": label }, buttons),
    state.subscribe(key, draw),
  );
}

/** The value of the pressed tab. */
export function readTab({ key, choices }) {
  const value = state.get(key);
  return choices.some(([each]) => each === value) ? value : choices[0][0];
}
