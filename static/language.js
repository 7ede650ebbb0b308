// Replaces the page by itself in another language.

/** @param {string} href @returns {Promise<boolean>} false if the page cannot be had */
export async function speak(href) {
  try {
    const response = await fetch(href);
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    if (!page.querySelector("#form")) return false;
    document.title = page.title;
    document.documentElement.lang = page.documentElement.lang;
    document.body.replaceWith(page.body);
    return true;
  } catch {
    return false;
  }
}
