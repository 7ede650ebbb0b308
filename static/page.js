// The page with a script: choosing, dropping or pasting images is enough, and the result appears in place.
import { startBatch } from "./batch.js";
import { enableChoosing } from "./choosing.js";
import { enableMaps } from "./maps.js";
import { send } from "./send.js";
import { awaitModel } from "./waiting.js";

const form = document.querySelector("#form");
const outcome = document.querySelector("#outcome");
const address = new URL(form.action); // holds language and views

let current = null; // the upload in progress, to be dropped when another image is chosen
let shown = null; // the file whose result or problem is shown
let batch = null; // the table of several images, as long as it can be gone back to

/** Show a fragment as the outcome; `state` decides what else of the page is seen. */
function show(state, fragment, { name, say } = {}) {
  for (const place of fragment.querySelectorAll("[data-name]")) {
    place.textContent = name ?? "";
    place.hidden = !name;
  }
  document.body.dataset.state = state;
  outcome.setAttribute("aria-busy", String(state === "loading"));
  outcome.replaceChildren(...(batch && state !== "batch" ? [wayBack()] : []), fragment);
  document.querySelector("#announcement").textContent = say ?? "";
}

function copyOf(selector) {
  return document.querySelector(selector).content.cloneNode(true);
}

function showLoading(file) {
  const fragment = copyOf("#loading");
  const preview = fragment.querySelector("[data-preview]");
  const pending = fragment.querySelector(".pending");
  const release = () => URL.revokeObjectURL(preview.src);
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
  const phase = fragment.querySelector("[data-phase]");
  const bar = fragment.querySelector("progress");
  fragment.querySelector("[data-cancel]").addEventListener("click", cancel);
  show("loading", fragment, { name: file.name, say: phase.dataset.sending });
  return (share) => {
    bar.value = share;
    if (share === 1) {
      bar.removeAttribute("value"); // nobody knows how long the model takes
      phase.textContent = phase.dataset.waiting;
    }
  };
}

function cancel() {
  current?.abort();
  if (batch) return showBatch();
  show("empty", document.createDocumentFragment());
  document.querySelector("#file").focus();
}

function showProblem(fragment, file, { retry }) {
  const button = fragment.querySelector("[data-retry]");
  if (retry && button) {
    button.hidden = false;
    button.disabled = Boolean(button.dataset.after);
    setTimeout(() => (button.disabled = false), Number(button.dataset.after ?? 0) * 1000);
    button.addEventListener("click", () => examine(file));
  }
  show("problem", fragment, { name: file.name, say: fragment.querySelector("h2").textContent });
}

async function showResult(fragment, file, signal) {
  // Ready before it replaces the preview, so that the picture does not blink.
  await Promise.allSettled([enableMaps(fragment), ...[...fragment.querySelectorAll("img")].map((each) => each.decode())]);
  if (signal.aborted) return; // another image was chosen meanwhile
  completeResult(fragment);
  show("result", fragment, { name: file.name, say: fragment.querySelector("[data-announcement]").dataset.announcement });
}

/** What the server cannot know: the reader's clock, and that there is a printer. */
function completeResult(root) {
  const time = root.querySelector("[data-time]");
  if (!time) return;
  const format = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "long", timeStyle: "short" });
  time.textContent = format.format(new Date(time.dateTime));
  root.querySelector("[data-print]").addEventListener("click", () => print());
}

async function examine(file) {
  shown = file;
  if (file.size > Number(form.dataset.limit)) {
    showProblem(copyOf('template[data-problem="body-too-large"]'), file, { retry: false });
    return;
  }
  const upload = new AbortController();
  current = upload;
  const onProgress = showLoading(file);
  outcome.scrollIntoView({ block: "nearest" });
  const to = `/result${address.search}`;
  const answer = await send(file, { to, field: document.querySelector("#file").name, signal: upload.signal, onProgress });
  if (upload.signal.aborted) return;
  if (answer.kind === "result") await showResult(answer.fragment, file, upload.signal);
  else if (answer.kind === "problem") showProblem(answer.fragment, file, { retry: answer.retryable });
  else showProblem(copyOf(`template[data-problem="${answer.kind}"]`), file, { retry: true });
}

function take(files) {
  if (files.length === 0) return;
  current?.abort();
  batch?.stop();
  batch = null;
  if (files.length === 1) {
    examine(files[0]);
    return;
  }
  shown = null;
  batch = startBatch([...files], { parameters: address.search, limit: Number(form.dataset.limit), open: examine });
  showBatch();
}

function showBatch() {
  shown = null;
  show("batch", batch.element);
}

function wayBack() {
  const fragment = copyOf("#batch-back");
  fragment.querySelector("button").addEventListener("click", () => {
    current?.abort();
    showBatch();
  });
  return fragment;
}

/** Another number of views: the same image is examined again. */
function enableViews() {
  for (const link of document.querySelectorAll("[data-views]"))
    link.addEventListener("click", (event) => {
      event.preventDefault();
      document.querySelector("[data-views][aria-current]")?.removeAttribute("aria-current");
      link.setAttribute("aria-current", "true");
      address.searchParams.set("tta", link.dataset.views);
      history.replaceState(null, "", `/${address.search}`);
      for (const other of document.querySelectorAll(".languages a")) {
        const there = new URL(other.href);
        there.searchParams.set("tta", link.dataset.views);
        other.href = there;
      }
      if (shown) {
        current?.abort();
        examine(shown);
      }
    });
}

/** Another language: the image goes along, as in a form without a script. */
function enableLanguages() {
  for (const link of document.querySelectorAll(".languages a"))
    link.addEventListener("click", (event) => {
      if (!shown) return;
      event.preventDefault();
      const files = new DataTransfer();
      files.items.add(shown);
      const input = document.querySelector("#file");
      input.files = files.files;
      form.action = link.href;
      form.submit();
    });
}

enableChoosing(form, take);
enableViews();
enableLanguages();
enableMaps(document);
completeResult(document);
awaitModel();
document.documentElement.classList.add("script");
