// The ways an image comes to the page: chosen, photographed, dropped, pasted, or taken from the examples.

/** On the whole page, once: @param {(files: File[]) => void} take */
export function enableGestures(take) {
  document.addEventListener("paste", (event) => take([...(event.clipboardData?.files ?? [])]));
  enableDropping(take);
}

/** In the form: @param {HTMLFormElement} form @param {(files: File[]) => void} take @param {(example: HTMLElement) => void} takeExample */
export function enableChoosing(form, take, takeExample) {
  form.querySelector("#file").multiple = true; // a form without a script sends one
  for (const input of form.querySelectorAll('input[type="file"]'))
    input.addEventListener("change", () => {
      const files = [...input.files];
      input.value = ""; // choosing the same file again must count as a choice
      take(files);
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
  document.addEventListener("drop", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    mark(-depth);
    take([...event.dataTransfer.files]);
  });
}
