/** Dialogs: the element of the browser, which keeps the focus inside and closes with Escape. */

import { dispose, h, replace } from "./dom.js";

let count = 0;

/**
 * Open a dialog. `onConfirm` may throw or reject: its message is then shown, and the dialog stays.
 * @param {{title: string, content: (Node|string)[], confirm?: string, cancel?: string, isDanger?: boolean,
 *   onConfirm?: () => any, onClose?: () => void}} options
 * @returns {HTMLDialogElement}
 */
export function openDialog({
  title,
  content,
  confirm = "OK",
  cancel = "Cancel",
  isDanger = false,
  onConfirm,
  onClose,
}) {
  const id = `dialog-${(count += 1)}`;
  const problem = h("p", { class: "problem", role: "alert", hidden: true });
  const done = h("button", { class: isDanger ? "button danger" : "button primary", type: "submit" }, confirm);
  const close = () => dialog.close();
  const form = h(
    "form",
    { class: "dialog-form", onSubmit: submit },
    h("h2", { id }, title),
    h("div", { class: "dialog-content" }, content),
    problem,
    h(
      "div",
      { class: "dialog-actions" },
      h("button", { class: "button", type: "button", onClick: close }, onConfirm ? cancel : "Close"),
      onConfirm ? done : null,
    ),
  );
  const dialog = h(
    "dialog",
    {
      class: "dialog",
      "aria-labelledby": id,
      onClose: () => {
        dispose(dialog);
        dialog.remove();
        onClose?.();
      },
    },
    form,
  );

  async function submit(event) {
    event.preventDefault();
    done.disabled = true;
    try {
      await onConfirm?.();
      close();
    } catch (error) {
      replace(problem, error.message);
      problem.hidden = false;
    }
    done.disabled = false;
  }

  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/** Ask whether to go on with something that cannot be undone. */
export function confirmDialog({ title, text, confirm, onConfirm }) {
  return openDialog({ title, content: [h("p", null, text)], confirm, isDanger: true, onConfirm });
}
