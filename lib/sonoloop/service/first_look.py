"""What whoever starts a server should know of its studies: whether they changed, what was found."""

from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from sonoloop.store.overview import FoundImages
from sonoloop.store.paths import WorkspacePaths, refusals_told


def is_address(studies: str) -> bool:
    """Whether studies lie in a PACS and not in a folder."""
    return studies.startswith(("http://", "https://"))


def address_of(studies: str) -> str:
    """One way to write where studies are, without what may be secret in it.

    Example:
        >>> address_of("http://reader:secret@pacs.example:8042/dicom-web/")
        'http://pacs.example:8042/dicom-web'
    """
    if not is_address(studies):
        return str(Path(studies).expanduser().resolve())
    parts = urlsplit(studies)
    return urlunsplit(
        (parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), "", "")
    )


def remember_studies(paths: WorkspacePaths, studies: str) -> str | None:
    """Note in a workspace which studies it is of; a warning when it was of others until now.

    Raises:
        StoreError: If the workspace cannot be written.
    """
    address = address_of(studies)
    with refusals_told(paths.root):
        file = paths.studies_address
        before = file.read_text(encoding="utf-8").strip() if file.is_file() else address
        if before != address or not file.is_file():
            file.write_text(f"{address}\n", encoding="utf-8")
    if before == address:
        return None
    return (
        f"the workspace {paths.root} was made for other studies, {before}: its labels and models "
        f"are of those, now it is used for {address} (unless they only moved, stop this server "
        f"and name a workspace of their own)"
    )


def found_in(studies: str, found: FoundImages, refused: int) -> list[str]:
    """Sentences on what the first look at the studies found, each with what to do about it.

    Example:
        >>> found_in("http://pacs.example/dicom-web", FoundImages(total=28, pictures=0), 0)
        ['28 images in http://pacs.example/dicom-web']
    """
    address = address_of(studies)
    told = [f"{found.total} images in {address}"]
    if not found.total:
        wanted = "ultrasound is" if is_address(studies) else "DICOM, PNG, JPEG, BMP and TIFF are"
        told = [f"no image in {address} ({wanted} looked for: is it the right place?)"]
    if found.pictures:
        told.append(
            f"{found.pictures} of them are no DICOM: the viewer at /ohif/ does not list them (have "
            f"DICOM made of them: sonoloop import folder {address} --to NEW, and serve NEW)"
        )
    if refused:
        told.append(f"{refused} files were refused (/sonoloop/refusals tells why)")
    return told
