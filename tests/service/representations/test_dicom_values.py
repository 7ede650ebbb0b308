"""What of a patient's attributes DICOM documents repeat."""

import pytest

from service.representations.dicom_values import checked


@pytest.mark.parametrize(("keyword", "text", "kept"), [
    ("PatientBirthDate", "19440102", True), ("PatientBirthDate", "19440000", False),
    ("PatientBirthDate", "00000000", False), ("StudyDate", "20261301", False), ("StudyDate", "2026", False),
    ("StudyDate", "2026 1 1", False), ("StudyTime", "12", True), ("StudyTime", "1200", True),
    ("StudyTime", "120059", True), ("StudyTime", "120059.123456", True), ("StudyTime", "1200.5", False),
    ("StudyTime", "99999999", False), ("StudyTime", "2460", False), ("StudyTime", "120059.", False),
    ("StudyTime", "120", False), ("PatientSex", "F", True), ("PatientSex", "?", False), ("StudyID", "", False),
    ("PatientName", "Ruiz^Ana", True), ("PatientID", "7", True),
])  # fmt: skip
def test_what_breaks_the_form_is_left_empty(keyword: str, text: str, kept: bool) -> None:
    assert checked(keyword, text) == (text if kept else None)


@pytest.mark.parametrize(
    ("name", "written"), [("Madonna", "Madonna^"), ("Yamada=山田", "Yamada^=山田^"), ("=山田", "=山田^")]
)
def test_a_name_of_one_component_is_a_family_name(name: str, written: str) -> None:
    assert checked("PatientName", name) == written
