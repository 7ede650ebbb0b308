// Several images: a few requests at a time, one row of a table an image, sorted and exported in the browser.
import { ask } from "./asking.js";
import { download, toCsv, toJson } from "./export.js";

const AT_ONCE = 2; // the model answers one after another anyway

/**
 * @param {File[]} files
 * @param {{parameters: string, limit: number, open: (file: File) => void}} options
 * @returns {{element: HTMLElement, stop: () => void}}
 */
export function startBatch(files, { parameters, limit, open }) {
  const template = document.querySelector("#batch");
  const element = template.content.firstElementChild.cloneNode(true);
  const titles = JSON.parse(template.dataset.titles);
  const stopped = new AbortController();
  const rows = files.map((file) => addRow(element.querySelector("tbody"), file, open));
  const waiting = [...rows];

  async function work() {
    for (let row = waiting.shift(); row && !stopped.signal.aborted; row = waiting.shift()) {
      const tooLarge = row.file.size > limit;
      const answer = tooLarge ? { problem: "body-too-large" } : await ask(row.file, parameters, stopped.signal);
      if (stopped.signal.aborted) return;
      Object.assign(row, answer, { done: true });
      fill(row, titles);
      count(element, rows);
      sort();
    }
  }

  const stop = () => stopped.abort();
  element.querySelector("[data-stop]").addEventListener("click", () => {
    stop();
    finish(element, rows);
  });
  const sort = enableSorting(element, rows);
  for (const button of element.querySelectorAll("[data-export]"))
    button.addEventListener("click", () => {
      const write = { csv: toCsv, json: toJson }[button.dataset.export];
      download(write(rows.filter((row) => row.done)), `lunar.${button.dataset.export}`);
    });
  count(element, rows);
  Promise.all(Array.from({ length: AT_ONCE }, work)).then(() => finish(element, rows));
  return { element, stop, files };
}

function addRow(body, file, open) {
  const row = { file, name: file.name, done: false, place: document.querySelector("#batch-row").content.firstElementChild.cloneNode(true) };
  row.place.querySelector('[data-cell="name"]').textContent = file.name;
  row.place.querySelector("[data-open]").addEventListener("click", () => open(file));
  row.place.querySelector("[data-open]").setAttribute("aria-label", `${row.place.querySelector("[data-open]").textContent}: ${file.name}`);
  body.append(row.place);
  draw(row.place.querySelector("canvas"), file);
  return row;
}

/** A thumbnail, if the browser can draw the format; the file itself is not kept in memory for it. */
async function draw(canvas, file) {
  try {
    const image = await createImageBitmap(file, { resizeWidth: canvas.width * 2, resizeQuality: "medium" });
    const side = Math.min(image.width, image.height);
    const from = [(image.width - side) / 2, (image.height - side) / 2, side, side];
    canvas.getContext("2d").drawImage(image, ...from, 0, 0, canvas.width, canvas.height);
    image.close();
  } catch {
    canvas.classList.add("blank");
  }
}

function fill(row, titles) {
  const cell = (name) => row.place.querySelector(`[data-cell="${name}"]`);
  const copy = (selector) => document.querySelector(selector).content.cloneNode(true);
  row.place.querySelector("[data-open]").disabled = false; // a failed one may succeed now
  if (row.problem) {
    const failed = copy("template[data-failed]");
    failed.querySelector("[data-reason]").textContent = titles[row.problem] ?? titles.unreachable;
    cell("risk").replaceChildren(failed);
    row.place.dataset.failed = row.problem;
    return;
  }
  const { prediction, risk } = row.answer;
  const number = document.createElement("span");
  number.className = "figure";
  number.textContent = percent(risk.malignant_probability);
  cell("risk").replaceChildren(copy(`template[data-risk-word="${risk.level}"]`), " ", number);
  cell("class").textContent = `${prediction.name}, ${percent(prediction.probability)}`;
  cell("confidence").replaceChildren(copy(`template[data-confidence-word="${prediction.confidence}"]`));
  row.place.dataset.risk = risk.level;
}

/** As the server writes it: a share that is not 0 or 1 is never written as if it were. */
function percent(share) {
  const digits = { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 };
  const format = (value) => new Intl.NumberFormat(document.documentElement.lang, digits).format(value);
  if (share > 0 && share < 0.001) return `< ${format(0.001)}`;
  if (share < 1 && share > 0.999) return `> ${format(0.999)}`;
  return format(share);
}

function count(element, rows) {
  const done = rows.filter((row) => row.done).length;
  const failed = rows.filter((row) => row.problem).length;
  const place = element.querySelector("[data-count]");
  const words = { done: done - failed, total: rows.length, failed };
  place.textContent = place.dataset.words.replace(/\{(\w+)\}/g, (_, key) => words[key]);
  element.querySelector("progress").value = done / rows.length;
  for (const button of element.querySelectorAll("[data-export]")) button.disabled = done === 0;
}

function finish(element, rows) {
  if ("finished" in element.dataset) return;
  const stopped = document.querySelector("#batch-row").content.querySelector('[data-cell="risk"]').dataset.stopped;
  for (const row of rows.filter((each) => !each.done)) {
    row.place.querySelector('[data-cell="risk"]').textContent = stopped;
    row.place.querySelector("[data-open]").disabled = false;
  }
  element.dataset.finished = "";
  element.querySelector("[data-stop]").disabled = true;
  element.querySelector("progress").hidden = true;
  document.querySelector("#announcement").textContent = element.querySelector("[data-count]").textContent;
}

const KEYS = {
  name: (row) => row.name.toLowerCase(),
  risk: (row) => row.answer?.risk.malignant_probability ?? -1,
  class: (row) => row.answer?.prediction.name ?? "",
};

/**
 * The first press sorts risk from high to low and words from A to Z, the next one the other way round.
 * @returns {() => void} sorts again as was last asked for, when a row has changed
 */
function enableSorting(element, rows) {
  let sort = () => {};
  for (const button of element.querySelectorAll("[data-sort]"))
    button.addEventListener("click", () => {
      const head = button.closest("th");
      const first = button.dataset.sort === "risk" ? "descending" : "ascending";
      const other = first === "ascending" ? "descending" : "ascending";
      const order = head.ariaSort === first ? other : first;
      for (const each of element.querySelectorAll("[aria-sort]")) each.ariaSort = "none";
      head.ariaSort = order;
      const key = KEYS[button.dataset.sort];
      const sign = order === "ascending" ? 1 : -1;
      sort = () => {
        const sorted = [...rows].sort((a, b) => sign * (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0));
        element.querySelector("tbody").append(...sorted.map((row) => row.place));
      };
      sort();
    });
  return () => sort();
}
