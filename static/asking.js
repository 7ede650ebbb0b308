// One image to the API, for the table of several: the answer, or the kind of problem; comes back when told to.
// What lets the page ask is a cookie that expires; looking at the page again brings a new one.

const BUSY = new Set([429, 502, 503, 504]); // 502 and 504 are a proxy's, whose replica is gone or late
const TRIES = 6;
const GAP = 1000; // milliseconds until a network that failed is tried again; twice as long each time

let openFrom = 0; // when the service may be asked again: one refusal holds for every request of the page

/**
 * @param {File} file @param {string} views @param {AbortSignal} signal
 * @returns {Promise<{answer: object} | {problem: string}>} `problem` is the last part of the problem's type
 */
export async function ask(file, views, signal) {
  let renewed = false;
  for (let attempt = 1; ; attempt += 1) {
    while (openFrom > Date.now() && !signal.aborted) await pause(openFrom - Date.now(), signal); // it may have moved on
    let response;
    try {
      response = await fetch(`/predict?lang=${document.documentElement.lang}&tta=${views}`, {
        method: "POST",
        body: file,
        headers: { "Content-Type": "application/octet-stream" },
        signal,
      });
      if (response.ok) return { answer: await response.json() };
      if (response.status === 401 && !renewed) {
        await fetch("/", { signal });
        renewed = true;
        continue;
      }
    } catch {
      if (signal.aborted || attempt === TRIES || !(await isReadable(file))) return { problem: "unreachable" };
      openFrom = Math.max(openFrom, Date.now() + GAP * 2 ** (attempt - 1));
      continue;
    }
    if (!BUSY.has(response.status) || attempt === TRIES) return { problem: await nameOf(response) };
    openFrom = Math.max(openFrom, Date.now() + waitOf(response));
  }
}

/** A file that has changed on the disk since it was chosen fails like a network, but for good. */
const isReadable = (file) =>
  file.slice(0, 1).arrayBuffer().then(
    () => true,
    () => false,
  );

/** Retry-After in milliseconds: seconds, or a date. */
function waitOf(response) {
  const said = response.headers.get("Retry-After") ?? "1";
  const wait = /^\d+$/.test(said) ? Number(said) * 1000 : Date.parse(said) - Date.now();
  return Number.isNaN(wait) ? 1000 : wait;
}

async function nameOf(response) {
  if (response.status === 429) return "rate-limited";
  try {
    const { type } = await response.json();
    return type.startsWith("urn:lunar:problem:") ? type.split(":").at(-1) : "unreachable";
  } catch {
    return response.status === 500 ? "internal" : "unreachable";
  }
}

function pause(milliseconds, signal) {
  return new Promise((resolve) => {
    if (milliseconds <= 0 || signal.aborted) return resolve();
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
