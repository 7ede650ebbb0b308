// One image to the server, one fragment of the page back.

// 401: the answer brought the page a new cookie.
const WORTH_REPEATING = new Set([401, 408, 429, 500, 502, 503, 504]);

/**
 * @param {File} file
 * @param {{to: string, field: string, signal: AbortSignal, onProgress: (share: number) => void}} options
 * @returns {Promise<{kind: "result" | "problem", fragment: DocumentFragment, retryable: boolean}
 *   | {kind: "unreachable" | "internal"}>} never rejects; never settles once the signal is aborted
 */
export function send(file, { to, field, signal, onProgress }) {
  const body = new FormData();
  body.append(field, file);
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
  const fragment = parse(request.responseText);
  const kind = fragment.querySelector("[data-outcome]")?.dataset.outcome;
  // Something between the page and the service, or its last resort, answered with other words than the page's.
  if (!kind) return { kind: request.status === 500 ? "internal" : "unreachable" };
  return { kind, fragment, retryable: WORTH_REPEATING.has(request.status) };
}

function parse(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content;
}
