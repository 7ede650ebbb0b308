// While no model is in service: ask until there is one, then take the notice away.

const LONGEST_PAUSE_S = 10;

export async function awaitModel() {
  const notice = document.querySelector("#waiting");
  if (!notice) return;
  for (let pause = 1; !(await isReady()); pause = Math.min(pause * 2, LONGEST_PAUSE_S)) {
    await new Promise((resume) => setTimeout(resume, pause * 1000));
  }
  notice.remove();
  try {
    const page = new DOMParser().parseFromString(await (await fetch(location.href)).text(), "text/html");
    document.querySelector("#model").replaceChildren(...page.querySelector("#model").childNodes);
  } catch (error) {
    console.error(error);
  }
}

async function isReady() {
  try {
    return (await fetch("/health/ready")).ok;
  } catch {
    return false;
  }
}
