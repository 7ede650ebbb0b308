// The page with a script: choosing, dropping or pasting images is enough, and the result appears in place.
import { startBatch } from "./batch.js";
import { enableChoosing, enableGestures } from "./choosing.js";
import { enableMaps } from "./maps.js";
import { send } from "./send.js";
import { awaitModel } from "./waiting.js";

let form = null;
let outcome = null;
let address = null; // holds language and views
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
  const focused = outcome.contains(document.activeElement);
  outcome.replaceChildren(...(batch && state !== "batch" ? [wayBack()] : []), fragment);
  document.querySelector("#announcement").textContent = say ?? "";
  if (focused) focusOutcome();
}

/** What was focused is gone: reading goes on with what took its place. */
function focusOutcome() {
  const place = outcome.querySelector("h2, [data-cancel]");
  if (place?.matches("h2")) place.tabIndex = -1;
  place?.focus({ preventScroll: true });
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
  shown = null;
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

/** An example is fetched first; whatever else is chosen meanwhile goes before it. */
async function takeExample(button) {
  current?.abort();
  const fetching = new AbortController();
  current = fetching;
  try {
    const response = await fetch(button.dataset.example, { signal: fetching.signal });
    if (!response.ok) throw new Error(String(response.status));
    const image = await response.blob();
    if (!fetching.signal.aborted) take([new File([image], button.dataset.name, { type: image.type })]);
  } catch {
    if (fetching.signal.aborted) return;
    const name = { name: button.dataset.name };
    showProblem(copyOf('template[data-problem="unreachable"]'), name, { retry: false });
  }
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
      if (!shown && document.body.dataset.state === "result") return; // of a form without a script: an ordinary link
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

/** Another language: the page is replaced, and the images are examined again, because their answers are words too. */
function enableLanguages() {
  for (const link of document.querySelectorAll(".languages a"))
    link.addEventListener("click", (event) => {
      if (!shown && !batch) return; // nothing to keep: an ordinary link
      event.preventDefault();
      speak(link.href);
    });
}

async function speak(href) {
  try {
    const page = new DOMParser().parseFromString(await (await fetch(href)).text(), "text/html");
    const files = batch ? batch.files : [shown];
    current?.abort();
    document.title = page.title;
    document.documentElement.lang = page.documentElement.lang;
    document.body.replaceWith(page.body);
    history.replaceState(null, "", href);
    start();
    take(files);
  } catch {
    location.assign(href);
  }
}

function start() {
  form = document.querySelector("#form");
  outcome = document.querySelector("#outcome");
  address = new URL(form.action);
  enableChoosing(form, take, takeExample);
  enableViews();
  enableLanguages();
  enableMaps(document);
  completeResult(document);
  awaitModel();
}

start();
enableGestures(take);
document.documentElement.classList.add("script");
