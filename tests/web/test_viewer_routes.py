"""The viewer below /ohif/: its files, its configuration, and what it says while it is missing."""

import gzip
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from drawn_viewer import MEMBERS, SCRIPT, release_of, write_archive
from sonoloop.viewer import cache, install_viewer
from sonoloop.viewer.cache import CACHE_VARIABLE
from sonoloop.web import viewer_config, viewer_files
from sonoloop.web.app import ExtensionFiles
from sonoloop.web.routes import ohif

LOOK = {"accept-encoding": "identity"}


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Path]:
    """Installs a drawn viewer into a cache of its own; the server finds it there."""
    folder = tmp_path / "viewers"
    archive = write_archive(tmp_path / "app.tgz")
    release = release_of(archive)
    monkeypatch.setenv(CACHE_VARIABLE, str(folder))
    monkeypatch.setattr(viewer_files, "find_viewer", lambda: cache.find_viewer(release=release))

    def installing() -> Path:
        return install_viewer(archive=archive, release=release).files

    return installing


class TestWithAViewer:
    @pytest.fixture(autouse=True)
    def files(self, install: Callable[[], Path]) -> Path:
        return install()

    @pytest.mark.parametrize(
        "path",
        ["", "index.html", "viewer", "sonoloop?StudyInstanceUIDs=1.2.3", "sonoloop/dicomweb"],
    )
    def test_its_own_addresses_all_answer_with_its_page(
        self, path: str, shared_site: Any, files: Path
    ) -> None:
        answer = shared_site.http.get(f"/ohif/{path}")

        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.headers["cache-control"] == "no-cache"
        assert answer.content == (files / "index.html").read_bytes()

    def test_without_a_slash_it_leads_there(self, shared_site: Any) -> None:
        answer = shared_site.http.get("/ohif")

        assert (answer.status_code, answer.headers["location"]) == (308, "/ohif/")

    def test_files_with_a_hash_in_their_name_are_kept_for_ever(self, shared_site: Any) -> None:
        answer = shared_site.http.get(f"/ohif/{SCRIPT}")

        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["content-type"] == "text/javascript; charset=utf-8"

    def test_files_go_out_compressed_to_whoever_takes_that(
        self, shared_site: Any, files: Path
    ) -> None:
        with shared_site.http.stream("GET", f"/ohif/{SCRIPT}") as answer:
            sent = b"".join(answer.iter_raw())

        assert answer.headers["content-encoding"] == "gzip"
        assert gzip.decompress(sent) == (files / SCRIPT).read_bytes()

    @pytest.mark.parametrize("accepted", ["identity", "br", "gzip;q=0", "gzip; q=0.0", ""])
    def test_others_get_them_as_they_are(
        self, accepted: str, shared_site: Any, files: Path
    ) -> None:
        answer = shared_site.http.get(f"/ohif/{SCRIPT}", headers={"accept-encoding": accepted})

        assert "content-encoding" not in answer.headers
        assert answer.headers["vary"] == "accept-encoding"
        assert answer.content == (files / SCRIPT).read_bytes()

    def test_what_has_not_changed_is_not_sent_again(self, shared_site: Any) -> None:
        first = shared_site.http.get("/ohif/app.bundle.css")

        again = shared_site.http.get(
            "/ohif/app.bundle.css", headers={"if-none-match": first.headers["etag"]}
        )

        assert first.headers["cache-control"] == "no-cache"
        assert (again.status_code, again.content) == (304, b"")

    def test_heads_alone_can_be_asked_for(self, shared_site: Any, files: Path) -> None:
        answer = shared_site.http.head(f"/ohif/{SCRIPT}", headers=LOOK)

        assert (answer.status_code, answer.content) == (200, b"")
        assert int(answer.headers["content-length"]) == (files / SCRIPT).stat().st_size

    def test_the_licence_is_served_with_it(self, shared_site: Any) -> None:
        answer = shared_site.http.get("/ohif/LICENSE.txt")

        assert answer.content == MEMBERS["package/LICENSE"]

    @pytest.mark.parametrize(
        "path",
        [
            "missing.js",
            "assets/missing.png",
            f"{SCRIPT}.gz",
            "..%2fpackage.json",
            "assets/..%2f..%2fmanifest.json",
            "%2e%2e/%2e%2e/.lock",
            "%2fetc%2fhosts.txt",
            "x%00.js",
            "plugin/..%2f..%2fbreast_ultrasound%2fmain.py",
            "plugin/missing.js",
        ],
    )
    def test_what_it_has_not_is_not_found(self, path: str, shared_site: Any) -> None:
        answer = shared_site.http.get(f"/ohif/{path}")

        assert answer.status_code == 404
        assert answer.json()["code"] == "not_found"

    def test_the_policy_lets_its_own_scripts_run_and_no_other_host_in(
        self, shared_site: Any
    ) -> None:
        policy = shared_site.http.get("/ohif/").headers["content-security-policy"]

        directives = dict(part.split(" ", 1) for part in policy.split("; "))
        assert directives["default-src"] == "'none'"
        assert len(re.findall(r"'sha256-[A-Za-z0-9+/]{43}='", directives["script-src"])) == 2
        assert "'unsafe-inline'" not in directives["script-src"]
        assert not re.search(r"https?:|\*|//", policy)

    def test_changes_are_refused(self, shared_site: Any) -> None:
        assert shared_site.http.post("/ohif/index.html").status_code == 405


class TestTheConfiguration:
    def test_it_is_made_anew_every_time(self, shared_site: Any) -> None:
        answer = shared_site.http.get("/ohif/app-config.js")

        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["content-type"] == "text/javascript; charset=utf-8"

    def test_every_address_in_it_is_a_path_here(self, shared_site: Any) -> None:
        text = shared_site.http.get("/ohif/app-config.js").text

        (source,) = json.loads(text.partition("= ")[2].partition(";\n")[0])["dataSources"]
        roots = [source["configuration"][f"{name}Root"] for name in ("qido", "wado", "wadoUri")]
        assert roots == ["/dicom-web"] * 3
        assert "://" not in text

    def test_it_names_the_extension_when_it_is_there(
        self, shared_site: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for there in (True, False):
            monkeypatch.setattr(ohif, "extension_is_there", lambda there=there: there)

            text = shared_site.http.get("/ohif/app-config.js").text

            assert ("/ohif/plugin/extension.js" in text) is there
            assert ("/ohif/plugin/mode.js" in text) is there

    def test_scripts_of_the_extension_are_served_and_nothing_else_beside_them(
        self, shared_site: Any
    ) -> None:
        script = shared_site.http.get("/ohif/plugin/panel/panel.js")

        assert script.status_code == 200
        assert "javascript" in script.headers["content-type"]
        for path in ("package.json", "tsconfig.json", "review/types.d.ts"):
            assert shared_site.http.get(f"/ohif/plugin/{path}").status_code == 404

    def test_what_checks_the_types_of_the_extension_is_not_served(self, tmp_path: Path) -> None:
        for path in ("own.js", "node_modules/theirs.js"):
            (tmp_path / path).parent.mkdir(exist_ok=True)
            (tmp_path / path).touch()
        files = ExtensionFiles(directory=tmp_path)

        assert files.lookup_path("own.js")[1] is not None
        assert files.lookup_path("node_modules/theirs.js")[1] is None

    def test_it_says_that_this_is_no_medical_device(self) -> None:
        text = viewer_config.app_config(with_extension=True)

        assert "research use, not a medical device" in text
        assert '"option": "never"' in text


class TestWithoutAViewer:
    def test_a_page_tells_what_to_do(self, install: Any, shared_site: Any) -> None:
        answer = shared_site.http.get("/ohif/sonoloop")

        assert answer.status_code == 503
        assert "OHIF 3.13.2 is not installed on this server" in answer.text
        assert "sonoloop viewer install --from" in answer.text
        assert answer.headers["cache-control"] == "no-store"

    def test_programs_get_a_sentence(self, install: Any, shared_site: Any) -> None:
        answer = shared_site.http.get(f"/ohif/{SCRIPT}")

        assert answer.status_code == 503
        assert answer.json()["code"] == "viewer"
        assert "sonoloop viewer install" in answer.json()["detail"]

    def test_one_that_is_installed_meanwhile_is_found(
        self, install: Callable[[], Path], shared_site: Any
    ) -> None:
        before = shared_site.http.get("/ohif/").status_code

        install()

        assert (before, shared_site.http.get("/ohif/").status_code) == (503, 200)

    def test_a_damaged_one_is_not_served(
        self, install: Callable[[], Path], shared_site: Any
    ) -> None:
        (install() / SCRIPT).write_text("alert(1)")

        answer = shared_site.http.get("/ohif/")

        assert answer.status_code == 503
        assert "the viewer is damaged" in answer.text

    def test_an_old_one_is_not_served(self, install: Callable[[], Path], shared_site: Any) -> None:
        manifest = install().parent / "manifest.json"
        manifest.write_text(manifest.read_text().replace('"3.13.2"', '"3.11.1"'))

        answer = shared_site.http.get("/ohif/")

        assert answer.status_code == 503
        assert "OHIF 3.11.1 is not supported" in answer.text


def test_the_dashboard_leads_to_the_viewer(shared_site: Any) -> None:
    assert '<a href="ohif/">Viewer</a>' in shared_site.http.get("/").text


def test_the_extension_is_asked_for_anew(shared_site: Any) -> None:
    answer = shared_site.http.get("/ohif/plugin/extension.js")

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-cache"


@pytest.mark.node
def test_the_configuration_is_a_script(tmp_path: Path) -> None:
    """Read as JavaScript, by the first engine that is there."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node is not installed")
    script = (
        "const window = {};"
        + viewer_config.app_config(with_extension=True)
        + "const made = window.config.whiteLabeling.createLogoComponentFn("
        "{ createElement: (...parts) => parts });"
        "console.log(JSON.stringify([window.config.routerBasename, made[2]]));"
    )

    done = subprocess.run([node, "-e", script], capture_output=True, text=True, check=True)

    assert json.loads(done.stdout) == ["/ohif", viewer_config.NOTICE]
