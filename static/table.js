// The table of the images: one row each, sorted, filtered and exported in the browser.
import { download, toCsv, toJson } from "./export.js";
import { levelOf, passes, press, sorted, warningsOf } from "./order.js";
import { say } from "./outcome.js";
import { drawAll, drawInSight } from "./thumbnails.js";

const REFRESH = 150; // milliseconds between two looks at order, filter and count while answers come in

export class Table {
  #gallery;
  #queue;
  #arrangement;
  #rows = new Map();
  #timer = null;
  #announced = 0;

  /** @param {import("./gallery.js").Gallery} gallery @param {import("./queue.js").Queue} queue @param {object} arrangement */
  constructor(gallery, queue, arrangement) {
    const template = document.querySelector("#batch");
    this.#gallery = gallery;
    this.#queue = queue;
    this.#arrangement = arrangement;
    this.words = JSON.parse(template.dataset.words);
    this.element = template.content.firstElementChild.cloneNode(true);
    this.#enable();
    this.refresh();
  }

  /** The images as the table shows them, without those that the filter hides. */
  inOrder() {
    return sorted(this.#gallery.images, this.#arrangement, this.words).filter((image) => passes(image, this.#arrangement.filter));
  }

  /** One image has changed; order, filter and count follow shortly. */
  update(image) {
    if (this.#rows.has(image)) fill(this.#rows.get(image), image, this.words, this.#queue.paused);
    this.#timer ??= setTimeout(() => this.refresh(), REFRESH);
  }

  /** Everything anew, rows of new images included. */
  refresh() {
    clearTimeout(this.#timer);
    this.#timer = null;
    const { images } = this.#gallery;
    for (const image of images) if (!this.#rows.has(image)) this.#rows.set(image, newRow(image, this.words, this.#queue.paused));
    for (const image of this.#rows.keys()) if (!images.includes(image)) this.#remove(image);
    const body = this.element.querySelector("tbody");
    const order = sorted(images, this.#arrangement, this.words).map((image) => this.#rows.get(image));
    const focused = body.contains(document.activeElement) ? document.activeElement : null;
    // Rows in their place are not touched: moving hundreds of them for each answer would be slow.
    order.forEach((row, place) => body.children[place] !== row && body.insertBefore(row, body.children[place] ?? null));
    focused?.focus({ preventScroll: true }); // a row that is moved loses it
    this.#filter();
    this.#count();
  }

  /** On paper every row has its thumbnail. */
  async print() {
    const button = this.element.querySelector("[data-print]");
    if (button.ariaDisabled) return;
    button.ariaDisabled = "true"; // one that is disabled would lose the focus
    say(this.words.printing);
    await drawAll(this.element.querySelectorAll("tbody tr:not([hidden]) canvas"));
    button.ariaDisabled = null;
    print();
  }

  #enable() {
    const { element } = this;
    const arrangement = this.#arrangement;
    for (const button of element.querySelectorAll("[data-sort]"))
      button.addEventListener("click", () => {
        press(arrangement, button.dataset.sort);
        this.#showOrder();
        this.refresh();
      });
    for (const select of element.querySelectorAll("[data-filter]")) {
      select.value = arrangement.filter[select.dataset.filter];
      select.addEventListener("change", () => {
        arrangement.filter[select.dataset.filter] = select.value;
        this.refresh();
      });
    }
    for (const button of element.querySelectorAll("[data-export]"))
      button.addEventListener("click", () => {
        const write = { csv: toCsv, json: toJson }[button.dataset.export];
        const done = sorted(this.#gallery.images, arrangement, this.words).filter((image) => image.answer || image.problem);
        download(write(done, this.words), `lunar.${button.dataset.export}`);
      });
    element.querySelector("[data-print]").addEventListener("click", () => this.print());
    element.querySelector("[data-pause]").addEventListener("click", () => {
      this.#queue.pause(!this.#queue.paused);
      for (const [image, row] of this.#rows) fill(row, image, this.words, this.#queue.paused);
      this.#count();
    });
    this.#showOrder();
  }

  #showOrder() {
    for (const button of this.element.querySelectorAll("[data-sort]"))
      button.closest("th").ariaSort = button.dataset.sort === this.#arrangement.key ? this.#arrangement.order : "none";
  }

  #remove(image) {
    this.#rows.get(image).remove();
    this.#rows.delete(image);
  }

  #filter() {
    const { filter } = this.#arrangement;
    let shown = 0;
    for (const [image, row] of this.#rows) shown += !(row.hidden = !passes(image, filter));
    const place = this.element.querySelector("[data-shown]");
    const words = Object.values(filter).some(Boolean) ? fillIn(this.words.shown, { shown, total: this.#rows.size }) : "";
    if (place.textContent !== words) place.textContent = words;
    this.element.querySelector("[data-none]").hidden = shown > 0;
  }

  #count() {
    const { images, skipped } = this.#gallery;
    const total = images.length;
    const failed = images.filter((image) => image.problem).length;
    const done = images.filter((image) => image.answer).length;
    const finished = done + failed === total;
    const left = finished ? null : this.#queue.secondsLeft();
    const counted = fillIn(this.words.count, { done, total, failed });
    this.element.querySelector("[data-count]").textContent = left === null ? counted : `${counted}. ${fillIn(this.words.left, { time: this.#time(left) })}`;
    const progress = this.element.querySelector("progress");
    progress.value = (done + failed) / Math.max(1, total);
    progress.hidden = finished;
    const pause = this.element.querySelector("[data-pause]");
    pause.hidden = finished;
    pause.textContent = this.#queue.paused ? this.words.resume : this.words.pause;
    for (const button of this.element.querySelectorAll("[data-export]")) button.disabled = done + failed === 0;
    const place = this.element.querySelector("[data-skipped]");
    place.hidden = skipped === 0;
    place.textContent = fillIn(this.words.skipped, { skipped });
    this.element.toggleAttribute("data-finished", finished);
    if (finished && this.#announced !== total && this.element.isConnected) {
      this.#announced = total;
      document.querySelector("#announcement").textContent = counted;
    }
  }

  #time(seconds) {
    const minutes = seconds >= 90;
    return fillIn(minutes ? this.words.minutes : this.words.seconds, { number: Math.ceil(minutes ? seconds / 60 : seconds) });
  }
}

export const fillIn = (words, values) => words.replace(/\{(\w+)\}/g, (_, key) => values[key]);

function newRow(image, words, paused) {
  const row = document.querySelector("#batch-row").content.firstElementChild.cloneNode(true);
  row.querySelector('[data-cell="name"]').textContent = image.name;
  const open = row.querySelector("[data-open]");
  open.href = `#image-${image.id}`;
  open.setAttribute("aria-label", `${open.textContent}: ${image.name}`);
  drawInSight(row.querySelector("canvas"), image.file);
  fill(row, image, words, paused);
  return row;
}

function fill(row, image, words, paused) {
  const cell = (name) => row.querySelector(`[data-cell="${name}"]`);
  const copy = (selector) => document.querySelector(selector).content.cloneNode(true);
  delete row.dataset.risk;
  delete row.dataset.failed;
  for (const name of ["class", "right", "warnings"]) cell(name).textContent = "";
  if (image.problem) {
    const failed = copy("template[data-failed]");
    failed.querySelector("[data-reason]").textContent = words.titles[image.problem] ?? words.titles.unreachable;
    cell("risk").replaceChildren(failed);
    row.dataset.failed = image.problem;
    return;
  }
  if (!image.answer) {
    cell("risk").textContent = paused && !image.work ? words.paused : words.waiting;
    return;
  }
  const { prediction, risk } = image.answer;
  const level = levelOf(image);
  cell("risk").replaceChildren(copy(`template[data-risk-word="${level}"]`));
  if (level !== "unreliable") cell("risk").append(" ", figure(number(risk.malignant_probability * 100)));
  cell("class").textContent = `${words.names[prediction.class]}, ${percent(prediction.probability)}`;
  if (level !== "unreliable") cell("right").textContent = rightWords(prediction, words);
  cell("warnings").replaceChildren(...warningsOf(image).flatMap((code) => [badge(words.warnings[code] ?? code, code), " "]));
  row.dataset.risk = level;
}

function rightWords({ measured_accuracy }, words) {
  return typeof measured_accuracy === "number" ? fillIn(words.right, { count: ofTen(measured_accuracy) }) : "";
}

/** As in templates: what is not always or never right is not written so. */
const ofTen = (share) => (share === 0 || share === 1 ? share * 10 : Math.min(9, Math.max(1, Math.round(share * 10))));

function badge(text, code) {
  const element = document.createElement("span");
  element.className = "badge";
  element.dataset.warning = code;
  element.textContent = text;
  return element;
}

function figure(text) {
  const element = document.createElement("span");
  element.className = "figure";
  element.textContent = text;
  return element;
}

const format = (value, options) =>
  new Intl.NumberFormat(document.documentElement.lang, { minimumFractionDigits: 1, maximumFractionDigits: 1, ...options }).format(value);
const number = (value) => format(value);

/** As the server writes it: a share that is not 0 or 1 is never written as if it were. */
function percent(share) {
  const write = (value) => format(value, { style: "percent" });
  if (share > 0 && share < 0.001) return `< ${write(0.001)}`;
  if (share < 1 && share > 0.999) return `> ${write(0.999)}`;
  return write(share);
}
