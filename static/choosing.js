// The ways images come to the page: chosen, photographed, dropped, pasted, or taken from the examples.
import { droppedOf, filesOf, folderOf } from "./folders.js";
import { say } from "./outcome.js";

/** On the whole page, once: @param {(choice: import("./folders.js").Choice) => void} take */
export function enableGestures(take) {
  document.addEventListener("paste", (event) => take(filesOf(event.clipboardData?.files ?? [])));
  enableDropping(take);
}

/**
 * In the form.
 * @param {HTMLFormElement} form
 * @param {(choice: import("./folders.js").Choice) => void} take
 * @param {(example: HTMLElement) => void} takeExample
 */
export function enableChoosing(form, take, takeExample) {
  const file = form.querySelector("#file");
  file.multiple = true; // a form without a script sends one
  file.removeAttribute("aria-label"); // its label is visible now
  const nothing = form.querySelector("[data-nothing]");
  // A dialog that leaves the field empty, as it was, may be told as cancelled: the words are true of both.
  form.querySelector("#folder").addEventListener("cancel", () => {
    nothing.hidden = false;
    say(nothing.textContent);
  });
  for (const input of form.querySelectorAll('input[type="file"]'))
    input.addEventListener("change", () => {
      nothing.hidden = true;
      const choice = input.webkitdirectory ? folderOf(input.files) : filesOf(input.files);
      input.value = ""; // choosing the same file again must count as a choice
      take(choice);
    });
  form.addEventListener("submit", (event) => event.preventDefault());
  for (const button of document.querySelectorAll("[data-example]"))
    button.addEventListener("click", (event) => {
      event.preventDefault();
      takeExample(button);
    });
}

function enableDropping(take) {
  let depth = 0; // dragenter and dragleave also fire for every child
  const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
  const mark = (change) => {
    depth = Math.max(0, depth + change);
    document.body.classList.toggle("dragging", depth > 0);
  };
  document.addEventListener("dragenter", (event) => carriesFiles(event) && mark(1));
  document.addEventListener("dragleave", (event) => carriesFiles(event) && mark(-1));
  document.addEventListener("dragover", (event) => carriesFiles(event) && event.preventDefault());
  document.addEventListener("drop", async (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    mark(-depth);
    take(await droppedOf(event.dataTransfer));
  });
}
