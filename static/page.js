// The page with a script: images, their answers, and the views of them.
import { enableHistory, record, viewOf } from "./address.js";
import { enableChoosing, enableGestures } from "./choosing.js";
import { Gallery } from "./gallery.js";
import { speak } from "./language.js";
import { loadingView } from "./loading.js";
import { newArrangement } from "./order.js";
import { hideStale, say, showOutcome, wayAmong } from "./outcome.js";
import { Queue, refuse } from "./queue.js";
import { completeResult, prepareResult } from "./result.js";
import { send } from "./send.js";
import { fillIn, Table } from "./table.js";
import { awaitModel } from "./waiting.js";

const gallery = new Gallery();
const arrangement = newArrangement();
let form = null;
let address = null; // of the page: holds language and views
let table = null;
let view = "start";
let fetching = null; // an example on its way

const language = () => document.documentElement.lang;
const views = () => address.searchParams.get("tta") ?? "1";
const limit = () => Number(form.dataset.limit);
const queue = new Queue(gallery, { views, limit });

function take({ files, skipped }) {
  fetching?.abort();
  gallery.skipped += skipped;
  if (files.length === 0) {
    if (skipped > 0 && gallery.images.length > 0) go("table");
    else if (skipped > 0) showProblem({ name: "", problem: "no-images" });
    return;
  }
  for (const image of gallery.images) image.alone = false; // a row of the table from now on
  const added = gallery.add(files);
  table?.refresh();
  if (added.length === 1 && view !== "table") {
    added[0].alone = true;
    go(added[0].id);
  }
  if (!added[0].alone) go("table");
  queue.wake();
  if (view === "table") say(fillIn(currentTable().words.started, { total: added.length }));
}

/** An example is fetched first; whatever else is chosen meanwhile goes before it. */
async function takeExample(button) {
  fetching?.abort();
  const mine = new AbortController();
  fetching = mine;
  try {
    const response = await fetch(button.dataset.example, { signal: mine.signal });
    if (!response.ok) throw new Error(String(response.status));
    const image = await response.blob();
    const { name, example: path } = button.dataset;
    const example = path.split("/").at(-1);
    if (!mine.signal.aborted && view !== "table") take({ files: [{ file: new File([image], name, { type: image.type }), name, example }], skipped: 0 });
  } catch {
    if (!mine.signal.aborted) showProblem({ name: button.dataset.name, problem: "unreachable" });
  }
}

function go(next, { replace = false } = {}) {
  record(next, { search: address.search, replace });
  show(next);
}

/** Show a view whose address is the current one; an image at its top, unless a place is given. */
function show(next, scroll = 0) {
  if (view === "table") arrangement.scroll = scrollY;
  const from = view;
  const image = typeof next === "number" ? gallery.find(next) : null;
  view = image || (next === "table" && gallery.images.length > 0) ? next : "start";
  if (view === "start") showStart();
  else if (view === "table") showTable(from);
  else showImage(image, scroll);
}

function showStart() {
  record("start", { search: address.search, replace: true });
  showViews(views());
  showOutcome("empty", []);
  const resume = document.querySelector("[data-resume]");
  resume.hidden = gallery.images.length === 0;
  resume.firstElementChild.textContent = resume.dataset.words.replace("{total}", gallery.images.length);
  scrollTo(0, 0);
}

function currentTable() {
  return (table ??= new Table(gallery, queue, arrangement));
}

function showTable(from) {
  showViews(views());
  showOutcome("batch", [currentTable().element]);
  table.refresh();
  scrollTo(0, arrangement.scroll);
  if (typeof from === "number") table.element.querySelector(`[href="#image-${from}"]`)?.focus({ preventScroll: true });
}

async function showImage(image, scroll) {
  if (image.uploading) showLoading(image);
  else if (image.outcome) {
    hideStale(); // until the picture is decoded
    await showAnswer(image);
  } else examine(image);
  if (view === image.id) scrollTo(0, scroll);
}

/** With the way to the other images before it. */
function showPart(state, image, part, words) {
  const way = image.id && wayAmong(currentTable().inOrder(), image, { total: gallery.images.length, step });
  showOutcome(state, [...(way ? [way] : []), part], { name: image.name, words });
}

function step(by) {
  const order = currentTable().inOrder();
  const next = order[order.findIndex((each) => each.id === view) + by];
  if (next && order.some((each) => each.id === view)) go(next.id);
}

function showLoading(image) {
  const part = loadingView(image, () => cancel(image), say);
  showPart("loading", image, part, part.querySelector("[data-phase]").textContent);
}

function cancel(image) {
  image.work?.abort();
  Object.assign(image, { work: undefined, uploading: false });
  if (image.outcome && !image.picture) return showAnswer(image); // a picture is missing, without which it cannot be shown
  if ((image.alone || image.example) && !image.answer) gallery.remove(image);
  else queue.wake(); // a row of the table stays, and is analysed in its turn
  go(gallery.images.length > 0 ? "table" : "start", { replace: true });
  if (view === "start") document.querySelector("#file").focus();
}

/** As often as it was examined before, unless told otherwise. */
async function examine(image, { picture = false, asked = image.views ?? views() } = {}) {
  image.work?.abort();
  const work = new AbortController();
  const refused = refuse(image.file, limit());
  if (refused) {
    Object.assign(image, refused, { work: undefined });
    gallery.changed(image);
    return showProblem(image);
  }
  Object.assign(image, { work, uploading: true, sent: 0, picture });
  showViews(asked);
  showLoading(image);
  const outcome = await send(image.example ? null : image.file, {
    to: `/result?lang=${language()}&tta=${asked}${picture ? "&picture=1" : ""}${image.example ? `&example=${image.example}` : ""}`,
    field: document.querySelector("#file").name,
    signal: work.signal,
    onProgress: (share) => image.onProgress(Math.max(share, (image.sent = share))),
  });
  if (work.signal.aborted) return;
  const kept = image.outcome?.kind === "result" && outcome.kind !== "result"; // the earlier result can still be opened
  Object.assign(image, { work: undefined, uploading: false, problem: undefined, ...(kept ? {} : { outcome }) });
  if (outcome.kind === "result") Object.assign(image, { views: asked, answer: JSON.parse(outcome.fragments[language()].dataset.answer) });
  else if (!image.answer) image.problem = outcome.fragments?.[language()].dataset.problem ?? outcome.kind;
  gallery.changed(image);
  if (view !== image.id) return;
  if (kept) showProblem(image, { outcome, asked });
  else showAnswer(image);
}

async function showAnswer(image) {
  if (image.outcome.kind === "result") await showResult(image);
  else showProblem(image);
}

async function showResult(image) {
  const { outcome } = image;
  const result = document.importNode(outcome.fragments[language()], true); // a template's own document shows no pictures
  const alike = await prepareResult(result, image, say).catch((error) => console.error(error) ?? null);
  if (view !== image.id || image.outcome !== outcome || image.uploading) return; // something else is shown meanwhile
  if (alike === null) return showProblem(image, { outcome: { kind: "internal" } });
  if (!alike) return examine(image, { picture: true });
  showViews(image.views);
  showPart("result", image, result, result.dataset.announcement);
}

function showProblem(image, { outcome = image.outcome, asked } = {}) {
  const { problem } = image;
  const part =
    (outcome?.fragments && document.importNode(outcome.fragments[language()], true)) ??
    document.querySelector(`template[data-problem="${outcome?.kind ?? problem}"]`).content.cloneNode(true);
  const button = part.querySelector("[data-retry]");
  const worthIt = outcome && (outcome.retryable ?? true);
  if (worthIt && button) {
    button.hidden = false;
    button.disabled = Boolean(button.dataset.after);
    setTimeout(() => (button.disabled = false), Number(button.dataset.after ?? 0) * 1000);
    button.addEventListener("click", () => examine(image, { asked }));
  }
  showPart("problem", image, part, part.querySelector("h2").textContent);
}

/** Whether the browser was told to open a link in a tab or window of its own. */
const opensBeside = (event) => event.ctrlKey || event.metaKey || event.shiftKey;

/** Another number of views: the image that is shown is examined again. */
function enableViews() {
  for (const link of document.querySelectorAll("[data-views]"))
    link.addEventListener("click", (event) => {
      const { state } = document.body.dataset;
      if (opensBeside(event) || (gallery.images.length === 0 && state === "result")) return; // of a form without a script: an ordinary link
      event.preventDefault();
      chooseViews(link.dataset.views);
      const image = gallery.find(view);
      if (image?.outcome?.kind === "result" && image.views === views() && state === "problem") showAnswer(image);
      else if (image) examine(image, { asked: views() });
    });
}

/** The number of the image that is shown; that of the images to come stays. */
function showViews(number) {
  document.querySelector("[data-views][aria-current]")?.removeAttribute("aria-current");
  document.querySelector(`[data-views="${number}"]`).setAttribute("aria-current", "true");
}

function chooseViews(number) {
  showViews(number);
  address.searchParams.set("tta", number);
  record(view, { search: address.search, replace: true });
  for (const link of document.querySelectorAll(".languages a")) {
    const there = new URL(link.href);
    there.searchParams.set("tta", number);
    link.href = there;
  }
}

/** Another language: the page is replaced; what is known of the images stays, in its words. */
function enableLanguages() {
  for (const link of document.querySelectorAll(".languages a"))
    link.addEventListener("click", async (event) => {
      if (opensBeside(event) || gallery.images.length === 0) return; // nothing to keep: an ordinary link
      event.preventDefault();
      const scroll = scrollY;
      const focused = document.activeElement === link;
      if (!(await speak(link.href))) return location.assign(link.href);
      start();
      if (focused) document.querySelector(".languages [aria-current]").focus({ preventScroll: true });
      record(view, { search: address.search, replace: true });
      for (const image of gallery.images)
        if (image.outcome?.kind === "result") image.answer = JSON.parse(image.outcome.fragments[language()].dataset.answer);
      table = null;
      arrangement.scroll = scroll;
      const shown = view;
      view = "start"; // so that the old table's place is not remembered
      show(shown, scroll);
    });
}

/** Links that would leave the page open beside it; the one to its start is a view. */
function enableLinks() {
  document.querySelector(".brand").addEventListener("click", (event) => {
    if (opensBeside(event) || gallery.images.length === 0) return;
    event.preventDefault();
    go("start");
  });
  for (const link of document.querySelectorAll(".foot a")) link.addEventListener("click", () => gallery.images.length > 0 && (link.target = "_blank"));
}

function start() {
  form = document.querySelector("#form");
  address = new URL(form.action);
  enableChoosing(form, take, takeExample);
  enableViews();
  enableLanguages();
  enableLinks();
  completeResult(document);
  awaitModel();
}

start();
enableGestures(take);
enableHistory(show);
if (viewOf(location.hash) !== null && location.hash) record("start", { search: location.search, replace: true }); // of images that are gone
gallery.addEventListener("change", ({ detail }) => table?.update(detail));
addEventListener("beforeunload", (event) => gallery.images.some((image) => image.answer) && event.preventDefault());
addEventListener("keydown", (event) => {
  if (view === "table" && (event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey && event.key.toLowerCase() === "p") {
    event.preventDefault(); // a browser waits for nothing that is still to be drawn
    table.print();
  }
  if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey || event.target.closest("input, select, textarea, [data-frame], .scroll")) return;
  if (typeof view === "number" && event.key === "ArrowLeft") step(-1);
  if (typeof view === "number" && event.key === "ArrowRight") step(1);
});
document.documentElement.classList.add("script");
