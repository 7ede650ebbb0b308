// The page with a script: choosing, dropping or pasting an image is enough, and the result appears in place.
import { send } from "./send.js";
import { enableStrength } from "./strength.js";
import { awaitModel } from "./waiting.js";

const form = document.querySelector("#form");
const input = document.querySelector("#file");
const outcome = document.querySelector("#outcome");

let current = null; // the upload in progress, to be dropped when another image is chosen

/** Show a fragment as the outcome; `state` decides what else of the page is seen. */
function show(state, fragment, file) {
  for (const place of fragment.querySelectorAll("[data-name]")) {
    place.textContent = file?.name ?? "";
    place.hidden = !file;
  }
  document.body.dataset.state = state;
  outcome.setAttribute("aria-busy", String(state === "loading"));
  outcome.replaceChildren(fragment);
}

function showLoading(file) {
  const fragment = document.querySelector("#loading").content.cloneNode(true);
  const preview = fragment.querySelector("[data-preview]");
  const release = () => URL.revokeObjectURL(preview.src);
  const pending = fragment.querySelector(".pending");
  preview.addEventListener("load", () => {
    release();
    pending.style.aspectRatio = preview.naturalWidth / preview.naturalHeight; // so that nothing moves later
  });
  preview.addEventListener("error", () => {
    release();
    preview.hidden = true;
    preview.nextElementSibling.hidden = false;
  });
  preview.src = URL.createObjectURL(file);
  show("loading", fragment, file);
}

function showProblem(fragment, file) {
  const retry = fragment.querySelector("[data-retry]");
  if (file && retry) {
    retry.hidden = false;
    retry.disabled = Boolean(retry.dataset.after);
    setTimeout(() => (retry.disabled = false), Number(retry.dataset.after ?? 0) * 1000);
    retry.addEventListener("click", () => examine(file));
  }
  show("problem", fragment, file);
}

/** A problem that needs no server to be known. */
function localProblem(slug) {
  return document.querySelector(`template[data-problem="${slug}"]`).content.cloneNode(true);
}

async function showResult(fragment, file, signal) {
  // Decoded before it replaces the preview, so that the picture does not blink.
  await Promise.allSettled([...fragment.querySelectorAll("img")].map((image) => image.decode()));
  if (signal.aborted) return; // another image was chosen meanwhile
  enableStrength(fragment);
  show("result", fragment, file);
}

async function examine(file) {
  if (file.size > Number(form.dataset.limit)) {
    showProblem(localProblem("body-too-large"), null);
    return;
  }
  const upload = new AbortController();
  current = upload;
  showLoading(file);
  outcome.scrollIntoView({ block: "nearest" });
  const answer = await send(file, { to: form.dataset.partial, field: input.name, signal: upload.signal });
  if (upload.signal.aborted) return;
  if (answer.kind === "result") await showResult(answer.fragment, file, upload.signal);
  else if (answer.kind === "problem") showProblem(answer.fragment, answer.retryable ? file : null);
  else showProblem(localProblem(answer.kind), file);
}

function take(files) {
  current?.abort();
  if (files.length === 1) examine(files[0]);
  else if (files.length > 1) showProblem(localProblem("several-images"), null);
}

function enableDropping() {
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
    take(event.dataTransfer.files);
  });
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  take(input.files);
});
input.addEventListener("change", () => {
  take(input.files);
  input.value = ""; // choosing the same file again must count as a choice
});
document.addEventListener("paste", (event) => take(event.clipboardData?.files ?? []));
enableDropping();
enableStrength(document);
awaitModel();
document.documentElement.classList.add("script");
