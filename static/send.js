// One image to the server; back comes a fragment of the page in every language.

// 401: the answer brought the page a new cookie.
const WORTH_REPEATING = new Set([401, 408, 429, 500, 502, 503, 504]);

/**
 * @param {File | null} file null for an example, which the server has
 * @param {{to: string, field: string, signal: AbortSignal, onProgress: (share: number) => void}} options
 * @returns {Promise<{kind: "result" | "problem", fragments: Object<string, Element>, retryable: boolean}
 *   | {kind: "unreachable" | "internal"}>} never rejects; never settles once the signal is aborted
 */
export function send(file, { to, field, signal, onProgress }) {
  const body = new FormData();
  if (file) body.append(field, file);
  return new Promise((resolve) => {
    const request = new XMLHttpRequest(); // fetch cannot tell how much has been sent
    request.open("POST", to);
    request.upload.addEventListener("progress", (event) => onProgress(event.loaded / event.total));
    request.upload.addEventListener("load", () => onProgress(1));
    request.addEventListener("load", () => resolve(understand(request)));
    request.addEventListener("error", () => resolve({ kind: "unreachable" }));
    signal.addEventListener("abort", () => request.abort());
    request.send(body);
  });
}

function understand(request) {
  const template = document.createElement("template");
  template.innerHTML = request.responseText;
  const outcomes = [...template.content.querySelectorAll("[data-language] > [data-outcome]")];
  // Something between the page and the service, or its last resort, answered with other words than the page's.
  if (outcomes.length === 0) return { kind: request.status === 500 ? "internal" : "unreachable" };
  const fragments = Object.fromEntries(outcomes.map((each) => [each.parentElement.dataset.language, each]));
  return { kind: outcomes[0].dataset.outcome, fragments, retryable: WORTH_REPEATING.has(request.status) };
}
