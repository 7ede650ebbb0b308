// One image to the API, for the table of several: the answer, or the kind of problem; comes back when told to.
// What lets the page ask is a cookie that expires; looking at the page again brings a new one.

const BUSY = new Set([429, 503]);
const TRIES = 6;

let openFrom = 0; // when the service may be asked again: one refusal holds for every request of the page

/**
 * @param {File} file @param {string} parameters query string of the page @param {AbortSignal} signal
 * @returns {Promise<{answer: object} | {problem: string}>} `problem` is the last part of the problem's type
 */
export async function ask(file, parameters, signal) {
  for (let attempt = 1; ; attempt += 1) {
    await pause(openFrom - Date.now(), signal);
    let response;
    try {
      response = await fetch(`/predict${parameters}`, {
        method: "POST",
        body: file,
        headers: { "Content-Type": "application/octet-stream" },
        signal,
      });
      if (response.ok) return { answer: await response.json() };
      if (response.status === 401 && attempt === 1) {
        await fetch("/", { signal });
        continue;
      }
    } catch {
      return { problem: "unreachable" };
    }
    if (!BUSY.has(response.status) || attempt === TRIES) return { problem: await nameOf(response) };
    openFrom = Math.max(openFrom, Date.now() + waitOf(response));
  }
}

/** Retry-After in milliseconds: seconds, or a date. */
function waitOf(response) {
  const said = response.headers.get("Retry-After") ?? "1";
  const wait = /^\d+$/.test(said) ? Number(said) * 1000 : Date.parse(said) - Date.now();
  return Number.isNaN(wait) ? 1000 : wait;
}

async function nameOf(response) {
  if (response.status === 429) return "rate-limited";
  try {
    return (await response.json()).type.split(":").at(-1);
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
