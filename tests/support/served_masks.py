"""Masks as a server tells them, past any viewer."""

import io
import json

import numpy as np
import numpy.typing as npt
import requests
from PIL import Image

Lesion = npt.NDArray[np.bool_]

TIMEOUT_S = 60


def predicted_mask(url: str, image: str) -> Lesion:
    """(H, W), True where the serving model finds a lesion."""
    answer = requests.post(
        f"{url}/infer/lesion",
        params={"image": image, "output": "image"},
        data={"params": json.dumps({"result_extension": ".png"})},
        timeout=TIMEOUT_S,
    )
    return _decoded(answer)


def kept_mask(url: str, image: str) -> Lesion:
    """(H, W), True on the lesion of the label in force."""
    query = {"label": image, "tag": "final", "format": "png"}
    return _decoded(requests.get(f"{url}/datastore/label", query, timeout=TIMEOUT_S))


def revisions(url: str, image: str) -> list[dict[str, object]]:
    """Every revision of an image, oldest first."""
    answer = requests.get(f"{url}/sonoloop/revisions", {"image": image}, timeout=TIMEOUT_S)
    answer.raise_for_status()
    found: list[dict[str, object]] = answer.json()["revisions"]
    return found


def _decoded(answer: requests.Response) -> Lesion:
    answer.raise_for_status()
    return np.asarray(Image.open(io.BytesIO(answer.content))) > 0
