"""The section of the model card with the fields that readers of many cards look for.

They are those of the Hugging Face card and of HL7's guide "AI Transparency on FHIR", as far as no other section has
them.
"""

from inference.bundle.manifest import ManifestDraft
from inference.registry.__main__ import STARTER


def details_section(draft: ManifestDraft) -> str:
    """Who made what for whom, and who watches it."""
    makers = (
        "the contributors of Lunar. Funded by nobody" if draft.name == STARTER else "those who trained it with Lunar"
    )
    return (
        "## Details\n\n"
        f"- Developed by: {makers}. Approved by no authority.\n"
        f"- Kind of model: image classifier, {draft.backbone}; one dermoscopic image in, seven probabilities and heat "
        "maps out. Texts in Spanish and English.\n"
        "- Users it is made for: teachers, students and researchers of the classification of dermoscopic images.\n"
        "- Direct use: showing what such a classifier answers, and why it may be wrong. Out of scope: diagnosis, "
        "triage, follow-up of a patient, clinical photographs, mucosa, nails, children, whatever care depends on.\n"
        "- Human oversight: an answer decides nothing. Whoever reads one has to be able to judge the lesion without "
        "it.\n"
        "- Risks: missed melanomas and needless alarms (below, with numbers); answers that look surer than they are on "
        "other cameras, skins and diagnoses; reliance on a picture of heat that shows no reason.\n"
        f"- To start: `python -m inference lesion.jpg --bundle models/{draft.name}`.\n"
        "- Updates: a version is never changed; another one gets another digest, and the service says which one "
        "answered.\n"
        "- Contact: the issues of the repository.\n"
    )
