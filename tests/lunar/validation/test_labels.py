"""Labels in every form are read to the same records; what cannot be read names its cause."""

from pathlib import Path

import pytest

from inference.domain.taxonomy import CLASSES
from lunar.scoring.images import NoImages
from lunar.validation.labels import InvalidLabels, LabelledImage, LabelTable, read_labels
from lunar.validation.matching import match

FORMS = {
    "HAM10000": "lesion_id,image_id,dx,age\nL1,a,mel,50\nL1,b,nv,50\nL2,c,akiec,\n",
    "ISIC": "image,MEL,NV,AK,UNK\na,1.0,0,0,0\nb,0,1.0,0,0\nc,0,0,1.0,0\nd,0,0,0,1\n",
    "decimal commas": "image;MEL;NV;AKIEC\na;1,0;0,0;0,0\n\nb;0,0;1,0;0,0\nc;0,0;0,0;1,0\n",
    "plain": "Image;Label\na.jpg;melanoma\nb.JPG;NV\nc.png;Actinic keratosis\n",
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_records(form: str, tmp_path: Path) -> None:
    (path := tmp_path / "labels.csv").write_text(FORMS[form])
    table = read_labels(path, group=None)
    assert [(each.image, CLASSES[each.label]) for each in table.images] == [("a", "mel"), ("b", "nv"), ("c", "akiec")]
    assert table.unknown == (("d",) if form == "ISIC" else ())
    assert table.group == ("lesion_id" if form == "HAM10000" else "")
    assert len({each.group for each in table.images}) == (2 if form == "HAM10000" else 3)


@pytest.mark.parametrize(("text", "group", "cause"), [
    ("", None, "no rows"),
    ("picture,dx\na,mel\n", None, "no column of images"),
    ("image,colour\na,red\n", None, "no labels"),
    ("image,dx\na,wart\n", None, "image a: unknown label 'wart'; known: akiec"),
    ("image,dx\na,mel\na.jpg,nv\n", None, "lists the image a twice"),
    ("image,MEL,NV\na,1,1\n", None, "image a: 2 classes are set"),
    ("image,MEL,NV\na,1,x\n", None, "'x' is not 0 or 1"),
    ("image,dx\na,mel\n", "clinic", "no column of groups: expected clinic"),
])  # fmt: skip
def test_a_wrong_table_names_its_cause(text: str, group: str | None, cause: str, tmp_path: Path) -> None:
    (path := tmp_path / "labels.csv").write_text(text)
    with pytest.raises(InvalidLabels, match=cause):
        read_labels(path, group=group)


def test_an_image_without_a_patient_counts_by_its_lesion_or_alone(tmp_path: Path) -> None:
    rows = ("a,1,x,mel", "b,1,y,mel", "c,,1,nv", "d,unknown,1,nv", "e,NA,nan,nv", "f,nan,,nv", "g,2,z,")
    (path := tmp_path / "labels.csv").write_text("\n".join(("image,patient_id,lesion_id,dx", *rows)))
    table = read_labels(path, group=None)
    assert [each.group for each in table.images] == [
        "patient_id 1", "patient_id 1", "lesion_id 1", "lesion_id 1", "image e", "image f",
    ]  # fmt: skip
    assert (table.group, table.ungrouped, table.unknown) == ("patient_id", 4, ("g",))


def test_files_are_found_by_their_path_and_then_by_their_name(tmp_path: Path) -> None:
    (folder := tmp_path / "images").mkdir()
    for name in ("P1/001.jpg", "P2/001.jpg", "P2/002.jpg", "deep/P3/003.jpg", "other.jpg", "d.jpg"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()

    def matched(*images: str) -> list[str]:
        (path := tmp_path / "labels.csv").write_text(
            "image,label\n" + "".join(f"{name},nv\n" for name in images) + "d,\n"
        )
        found = match(read_labels(path, group=None), folder)
        assert found.unlabelled == 5 - len(found.labelled), "without d, which has a row"
        return [str(Path(name).relative_to(folder)) for name in found.labelled] + list(found.missing)

    assert matched("P1/001.jpg", "P2/001", "002") == ["P1/001.jpg", "P2/001.jpg", "P2/002.jpg"]
    assert matched("P3/003", "P9/001", "images/P1/001.jpg") == ["deep/P3/003.jpg", "P1/001.jpg", "P9/001"]
    for images, cause in ((["001"], "name its folder too"), (["002", "P2/002"], "are both the file")):
        with pytest.raises(InvalidLabels, match=cause):
            matched(*images)
    (folder / "other.png").touch()
    with pytest.raises(InvalidLabels, match="two images are called other"):
        match(LabelTable((LabelledImage("other", 0, ""),), (), "", 0, {}), folder)


def test_a_folder_that_cannot_be_read_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`find_images` gives it as an image, whose answer would be an error."""
    (locked := tmp_path / "locked").mkdir()
    monkeypatch.setattr("lunar.validation.matching.find_images", lambda *_, **__: (str(locked),))
    with pytest.raises(NoImages, match=f"{locked} cannot be read"):
        match(LabelTable((LabelledImage("a", 0, ""),), (), "", 0, {}), tmp_path)
