"""Folders, many images, and files that are none."""

import base64
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.page_requests import sent_images
from tests.support.page_steps import ES, GOOD, PROBLEM, RESULT, TABLE, choose, finished, title

if TYPE_CHECKING:
    from playwright.sync_api import Page

OpenPage = Callable[..., "Page"]

# A drop as a browser makes it of folders: entries that are read in portions.
DROP = """
([tree, image]) => {
  const bytes = Uint8Array.from(atob(image), (letter) => letter.charCodeAt(0));
  const entryOf = (name, content, path) => Array.isArray(content)
    ? { isDirectory: true, isFile: false, name, createReader: () => {
        const left = content.map(([each, inner]) => entryOf(each, inner, `${path}/${name}`));
        return { readEntries: (give, fail) => setTimeout(() =>
          name.startsWith("locked") ? fail(new DOMException("", "NotReadableError")) : give(left.splice(0, 2))) };
      } }
    : { isDirectory: false, isFile: true, name, fullPath: `${path}/${name}`,
        file: (give, fail) => name.startsWith("locked") ? fail(new DOMException("", "NotReadableError"))
          : give(fileOf(name, content)) };
  const fileOf = (name, type) => new File([type.startsWith("image/") ? bytes : "text"], name, { type });
  const files = tree.map(([name, content]) => (Array.isArray(content) ? new File([""], name) : fileOf(name, content)));
  const items = tree.map(([name, content]) => ({ kind: "file", webkitGetAsEntry: () => entryOf(name, content, "") }));
  const event = new Event("drop", { bubbles: true, cancelable: true });
  event.dataTransfer = { types: ["Files"], items, files };
  document.body.dispatchEvent(event);
}
"""


def drop(page: "Page", tree: list) -> None:
    page.evaluate(DROP, [tree, base64.b64encode(GOOD).decode()])


def names(page: "Page") -> list[str]:
    return page.locator(f"{TABLE} tbody [data-cell=name]").all_inner_texts()


def test_a_dropped_folder_is_read_to_the_bottom(open_page: OpenPage) -> None:
    page = open_page()
    inner = [["10.jpg", "image/jpeg"], ["9.jpg", "image/jpeg"], ["notes.txt", "text/plain"], [".DS_Store", ""]]
    drop(page, [["case", [["a.jpg", "image/jpeg"], ["inner", inner], ["empty", []]]], ["single.jpg", "image/jpeg"]])
    finished(page)
    assert names(page) == ["case/a.jpg", "case/inner/9.jpg", "case/inner/10.jpg", "single.jpg"]
    assert page.locator("[data-skipped]").inner_text() == ES["batch"]["skipped"].format(skipped=2)


def test_a_folder_without_images_is_said_to_be_one(open_page: OpenPage) -> None:
    page = open_page()
    drop(page, [["case", [["notes.txt", "text/plain"]]]])
    page.wait_for_selector(PROBLEM)
    assert title(page) == ES["problems"]["no-images"]["title"]


def test_what_cannot_be_read_is_skipped_and_the_rest_is_kept(open_page: OpenPage) -> None:
    page = open_page()
    inside = [["locked.jpg", "image/jpeg"], ["locked folder", [["a.jpg", "image/jpeg"]]]]
    drop(page, [["case", [*inside, ["b.jpg", "image/jpeg"]]], ["c.jpg", "image/jpeg"]])
    finished(page)
    assert names(page) == ["case/b.jpg", "c.jpg"]
    assert page.locator("[data-skipped]").inner_text() == ES["batch"]["skipped"].format(skipped=2)


def test_an_empty_folder_is_said_to_be_one(open_page: OpenPage) -> None:
    page = open_page()
    drop(page, [["case", [["empty", []]]]])
    page.wait_for_selector(PROBLEM)
    assert title(page) == ES["problems"]["no-images"]["title"]


def test_a_folder_is_chosen(open_page: OpenPage, tmp_path: Path) -> None:
    for name in ("2.jpg", "1.jpg"):
        (tmp_path / name).write_bytes(GOOD)
    (tmp_path / "readme.md").write_text("none")
    page = open_page()
    assert page.locator('label[for="folder"]').inner_text() == ES["form"]["folder"]
    page.set_input_files("#folder", tmp_path)
    finished(page)
    assert [name.split("/")[-1] for name in names(page)] == ["1.jpg", "2.jpg"]
    assert page.locator("[data-skipped]").is_visible()


def test_an_empty_folder_that_is_chosen_gets_a_word(open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page()
    page.set_input_files("#folder", tmp_path)
    page.wait_for_selector(PROBLEM)
    assert title(page) == ES["problems"]["no-images"]["title"]


def test_a_dialog_for_folders_that_chose_nothing_gets_a_word(open_page: OpenPage) -> None:
    """What some browsers tell of an empty folder."""
    page = open_page()
    page.locator("#folder").dispatch_event("cancel")
    word = ES["form"]["nothing"]
    assert page.locator("[data-nothing]").inner_text() == word
    assert page.locator("#announcement").inner_text() == word
    choose(page)
    page.wait_for_selector(RESULT)
    assert page.locator("[data-nothing]").is_hidden()


def test_an_empty_file_is_said_to_be_empty(open_page: OpenPage) -> None:
    page = open_page()
    sent = sent_images(page)
    choose(page, b"", name="empty.jpg")
    page.wait_for_selector(PROBLEM)
    assert title(page) == ES["problems"]["empty-file"]["title"]
    assert page.locator(f"{PROBLEM} .file-name").inner_text() == "empty.jpg"
    assert sent == []


def test_a_phone_is_not_told_to_drop(open_page: OpenPage) -> None:
    page = open_page(width=390, touch=True)
    assert page.locator(".drop-title").inner_text() == ES["form"]["title_touch"]
    assert page.locator('label[for="folder"]').is_hidden()


def test_five_hundred_images(open_page: OpenPage) -> None:
    """All results are kept, rows are small, and thumbnails are drawn for those that are seen."""
    page = open_page()
    answer = {
        "request_id": "one",
        "model": {"name": "skin-lesion", "version": "1"},
        "prediction": {"class": "nv", "probability": 0.5, "confidence": "medium", "measured_accuracy": 0.55},
        "risk": {"level": "low", "malignant_probability": 0.1, "reliable": True},
        "probabilities": {},
        "warnings": [],
    }
    page.route("**/predict*", lambda route: route.fulfill(json=answer))
    drop(page, [["case", [[f"{number}.jpg", "image/jpeg"] for number in range(500)]]])
    page.click('[data-sort="risk"]')
    finished(page)
    assert page.locator("tbody tr[data-risk]").count() == 500
    assert page.evaluate("document.querySelectorAll('tbody *').length / 500") < 25
    alpha = "canvas.getContext('2d').getImageData(56, 56, 1, 1).data[3]"
    drawn = page.locator("tbody canvas").evaluate_all(f"(all) => all.filter((canvas) => {alpha}).length")
    assert drawn < 100, "thumbnails are drawn when they come into sight"
