// One image to the server, one fragment of the page back.

const WORTH_REPEATING = new Set([408, 429, 500, 502, 503, 504]);

/**
 * @param {File} file
 * @param {{to: string, field: string, signal: AbortSignal}} options
 * @returns {Promise<{kind: "result" | "problem", fragment: DocumentFragment, retryable: boolean}
 *   | {kind: "unreachable" | "internal"}>} never rejects
 */
export async function send(file, { to, field, signal }) {
  const body = new FormData();
  body.append(field, file);
  try {
    const response = await fetch(to, { method: "POST", body, signal });
    const fragment = parse(await response.text());
    const kind = fragment.querySelector("[data-outcome]")?.dataset.outcome;
    // Something between the page and the service, or its last resort, answered with other words than the page's.
    if (!kind) return { kind: response.status === 500 ? "internal" : "unreachable" };
    return { kind, fragment, retryable: WORTH_REPEATING.has(response.status) };
  } catch {
    return { kind: "unreachable" };
  }
}

function parse(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content;
}
