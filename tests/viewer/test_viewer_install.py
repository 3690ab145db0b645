"""A viewer that is fetched, checked, prepared, and kept whole or not at all."""

import gzip
import io
import json
import tarfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from drawn_viewer import MEMBERS, SCRIPT, WORKER, release_of, write_archive
from sonoloop.errors import ViewerError
from sonoloop.viewer import OHIF, Release, find_viewer, install_viewer, prepare
from sonoloop.viewer import archive as archives


class TestTheRelease:
    def test_the_address_is_that_of_npm(self) -> None:
        assert OHIF.address() == "https://registry.npmjs.org/@ohif/app/-/app-3.13.2.tgz"

    def test_the_checksum_is_a_sha512(self) -> None:
        assert len(OHIF.sha512) == 64

    @pytest.mark.parametrize("integrity", ["sha1-YWJj", "sha512-YWJj", "sha512-?", ""])
    def test_no_other_checksum_is_taken(self, integrity: str) -> None:
        with pytest.raises(ViewerError, match="no sha512"):
            _ = Release(version="3.13.2", integrity=integrity).sha512


class TestInstalling:
    def test_a_file_is_prepared_and_found(
        self, archive: Path, release: Release, cache: Path
    ) -> None:
        made = install_viewer(archive=archive, cache=cache, release=release)

        assert find_viewer(cache, release=release) == made
        assert made.version == "3.13.2"
        assert made.licence.read_bytes() == MEMBERS["package/LICENSE"]

    def test_what_is_of_no_use_is_left_out(
        self, archive: Path, release: Release, cache: Path
    ) -> None:
        made = install_viewer(archive=archive, cache=cache, release=release)

        assert {name.removesuffix(".gz") for name in made.digests} == {
            "package.json",
            "files/LICENSE.txt",
            "files/index.html",
            f"files/{SCRIPT}",
            f"files/{WORKER}",
            "files/app.bundle.css",
            "files/manifest.json",
            "files/init-service-worker.js",
            "files/assets/tile.png",
        }

    def test_every_address_in_it_lies_below_the_base(
        self, archive: Path, release: Release, cache: Path
    ) -> None:
        files = install_viewer(archive=archive, cache=cache, release=release).files

        page = (files / "index.html").read_text()
        assert page.count('window.PUBLIC_URL="/ohif/"') == 2
        assert 'href="/ohif/manifest.json"' in page
        assert 'src="/ohif/app-config.js"' in page
        assert 'content="/ohif/assets/tile.png"' in page
        assert '="/' not in page.replace('="/ohif/', "")
        for script in (SCRIPT, WORKER):
            assert '__webpack_require__.p = "/ohif/"' in (files / script).read_text()
        css = (files / "app.bundle.css").read_text()
        assert css == 'a{src:url(/ohif/a.woff2)}b{src:url("/ohif/b.woff2")}'
        manifest = json.loads((files / "manifest.json").read_text())
        assert manifest == {"icons": [{"src": "/ohif/assets/tile.png"}], "start_url": "/ohif/"}
        assert "elsewhere" not in (files / "init-service-worker.js").read_text()

    def test_compressed_files_hold_the_same(
        self, archive: Path, release: Release, cache: Path
    ) -> None:
        files = install_viewer(archive=archive, cache=cache, release=release).files

        packed = (files / f"{SCRIPT}.gz").read_bytes()
        assert gzip.decompress(packed) == (files / SCRIPT).read_bytes()
        assert len(packed) < (files / SCRIPT).stat().st_size

    def test_a_whole_one_stays_as_it_is(
        self, archive: Path, release: Release, cache: Path, tmp_path: Path
    ) -> None:
        made = install_viewer(archive=archive, cache=cache, release=release)
        before = (made.folder / "manifest.json").stat().st_mtime_ns

        install_viewer(archive=tmp_path / "not there", cache=cache, release=release)

        assert (made.folder / "manifest.json").stat().st_mtime_ns == before

    def test_a_damaged_one_is_told_and_replaced(
        self, archive: Path, release: Release, cache: Path
    ) -> None:
        made = install_viewer(archive=archive, cache=cache, release=release)
        (made.files / SCRIPT).write_text("alert(1)")

        with pytest.raises(ViewerError, match=rf"damaged - 'files/{SCRIPT}' is not as it was made"):
            find_viewer(cache, release=release)
        install_viewer(archive=archive, cache=cache, release=release)

        assert find_viewer(cache, release=release) == made

    def test_several_at_once_make_one(self, archive: Path, release: Release, cache: Path) -> None:
        with ThreadPoolExecutor(4) as pool:
            made = list(
                pool.map(
                    lambda _: install_viewer(archive=archive, cache=cache, release=release),
                    range(4),
                )
            )

        assert made == [made[0]] * 4
        assert [path.name for path in cache.iterdir() if path.is_dir()] == ["ohif-3.13.2"]

    def test_a_cache_that_cannot_be_written_is_told(
        self, archive: Path, release: Release, tmp_path: Path
    ) -> None:
        (tmp_path / "file").write_text("")

        with pytest.raises(ViewerError, match="cannot write the viewer to"):
            install_viewer(archive=archive, cache=tmp_path / "file" / "cache", release=release)


class TestRefusing:
    def test_another_checksum(self, archive: Path, cache: Path) -> None:
        with pytest.raises(ViewerError, match=r"not the published archive of @ohif/app 3\.13\.2"):
            install_viewer(archive=archive, cache=cache)

        assert find_viewer(cache) is None

    def test_a_file_that_is_not_there(self, cache: Path, tmp_path: Path) -> None:
        with pytest.raises(ViewerError, match=r"cannot read .*nowhere"):
            install_viewer(archive=tmp_path / "nowhere", cache=cache)

    def test_an_archive_of_another_version(self, tmp_path: Path, cache: Path) -> None:
        package = {"package/package.json": b'{"name": "@ohif/app", "version": "3.12.0"}'}
        archive = write_archive(tmp_path / "a.tgz", {**MEMBERS, **package})

        with pytest.raises(ViewerError, match=r"is @ohif/app 3\.12\.0, not @ohif/app 3\.13\.2"):
            install_viewer(archive=archive, cache=cache, release=release_of(archive))

    def test_a_version_that_mixes_masks_up(self, tmp_path: Path, cache: Path) -> None:
        package = {"package/package.json": b'{"name": "@ohif/app", "version": "3.12.0"}'}
        archive = write_archive(tmp_path / "a.tgz", {**MEMBERS, **package})

        with pytest.raises(ViewerError, match=r"OHIF 3\.12\.0 is not supported"):
            install_viewer(archive=archive, cache=cache, release=release_of(archive, "3.12.0"))

    @pytest.mark.parametrize(
        "name", ["package/dist/../../../escaped.js", "package/dist/../../x.js"]
    )
    def test_members_that_leave_the_folder(self, name: str, tmp_path: Path, cache: Path) -> None:
        archive = write_archive(tmp_path / "a.tgz", {**MEMBERS, name: b"alert(1)"})
        before = set(tmp_path.rglob("*"))

        with pytest.raises(ViewerError, match="outside its folder"):
            install_viewer(archive=archive, cache=cache, release=release_of(archive))

        left = {path for path in tmp_path.rglob("*") if path.is_file()} - before
        assert left == {cache / ".lock"}

    @pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
    def test_links_and_devices(self, kind: bytes, tmp_path: Path, cache: Path) -> None:
        archive = tmp_path / "a.tgz"
        with tarfile.open(archive, "w:gz") as tar:
            entry = tarfile.TarInfo("package/dist/link.js")
            entry.type = kind
            entry.linkname = "/etc/passwd"
            tar.addfile(entry, io.BytesIO())

        with pytest.raises(ViewerError, match=r"a link or device - 'package/dist/link\.js'"):
            install_viewer(archive=archive, cache=cache, release=release_of(archive))

    def test_an_archive_that_unpacks_to_too_much(
        self, archive: Path, release: Release, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(prepare, "MAX_UNPACKED_BYTES", 100)

        with pytest.raises(ViewerError, match="holds too much"):
            install_viewer(archive=archive, cache=cache, release=release)

    def test_an_archive_that_is_too_large(
        self, archive: Path, release: Release, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(archives, "MAX_ARCHIVE_BYTES", 100)

        with pytest.raises(ViewerError, match="no viewer - more than"):
            install_viewer(archive=archive, cache=cache, release=release)

    def test_what_is_no_archive(self, tmp_path: Path, cache: Path) -> None:
        file = tmp_path / "a.tgz"
        file.write_bytes(b"<html>404</html>")

        with pytest.raises(ViewerError, match=r"cannot unpack 'a\.tgz'"):
            install_viewer(archive=file, cache=cache, release=release_of(file))

    @pytest.mark.parametrize(
        ("member", "told"),
        [
            ("package/package.json", "it has no package.json"),
            ("package/LICENSE", "holds no LICENSE"),
            ("package/dist/index.html", "unknown shape - index.html"),
            ("package/dist/manifest.json", "unknown shape - manifest.json"),
            (f"package/dist/{SCRIPT}", "its main script says no"),
        ],
    )
    def test_a_viewer_of_another_shape(
        self, member: str, told: str, tmp_path: Path, cache: Path
    ) -> None:
        members = {name: data for name, data in MEMBERS.items() if name != member}
        archive = write_archive(tmp_path / "a.tgz", members)

        with pytest.raises(ViewerError, match=told):
            install_viewer(archive=archive, cache=cache, release=release_of(archive))

    def test_a_page_that_does_not_say_where_it_lives(self, tmp_path: Path, cache: Path) -> None:
        archive = write_archive(
            tmp_path / "a.tgz", {**MEMBERS, "package/dist/index.html": b"<html></html>"}
        )

        with pytest.raises(ViewerError, match=r"index\.html says no window\.PUBLIC_URL"):
            install_viewer(archive=archive, cache=cache, release=release_of(archive))


class TestTheManifest:
    @pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": "3.13.2", "files": 1}'])
    def test_a_damaged_one_is_told(
        self, text: str, archive: Path, release: Release, cache: Path
    ) -> None:
        made = install_viewer(archive=archive, cache=cache, release=release)
        (made.folder / "manifest.json").write_text(text)

        with pytest.raises(ViewerError, match="manifest is damaged - sonoloop viewer install"):
            find_viewer(cache, release=release)

    @pytest.mark.parametrize(
        ("change", "told"),
        [
            ({"version": "3.11.1"}, r"OHIF 3\.11\.1 is not supported"),
            ({"version": "4.0.0"}, r"OHIF 4\.0\.0 is not supported"),
            ({"version": "newest"}, "'newest' is no version of OHIF"),
            ({"recipe": 0}, "prepared by another version of Sonoloop"),
            ({"base": "/"}, "prepared by another version of Sonoloop"),
            ({"integrity": "sha512-other"}, "made from another archive"),
        ],
    )
    def test_what_cannot_be_served_is_refused(
        self, change: dict[str, object], told: str, archive: Path, release: Release, cache: Path
    ) -> None:
        made = install_viewer(archive=archive, cache=cache, release=release)
        path = made.folder / "manifest.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | change))

        with pytest.raises(ViewerError, match=told):
            find_viewer(cache, release=release)

    def test_nothing_there_is_no_error(self, cache: Path) -> None:
        assert find_viewer(cache) is None


class TestFetching:
    @pytest.fixture
    def registry(self, archive: Path) -> Iterator[str]:
        """Answers as an npm registry does, through a redirect."""

        class Registry(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/npm/@ohif/app/-/app-3.13.2.tgz":
                    self.send_response(302)
                    self.send_header("location", "/elsewhere.tgz")
                    self.end_headers()
                elif self.path == "/elsewhere.tgz":
                    data = archive.read_bytes()
                    self.send_response(200)
                    self.send_header("content-length", str(len(data)))
                    self.end_headers()
                    self.wfile.write(data)
                else:
                    self.send_error(404)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Registry)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        server.server_close()
        thread.join(10)

    def test_it_comes_from_a_mirror(
        self, registry: str, archive: Path, release: Release, cache: Path
    ) -> None:
        told: list[tuple[int, int | None]] = []

        made = install_viewer(
            registry=f"{registry}/npm/",
            cache=cache,
            release=release,
            progress=lambda received, total: told.append((received, total)),
        )

        assert find_viewer(cache, release=release) == made
        assert told[-1] == (archive.stat().st_size, archive.stat().st_size)

    def test_what_is_sent_is_checked(self, registry: str, cache: Path) -> None:
        with pytest.raises(ViewerError, match="not the published archive"):
            install_viewer(registry=f"{registry}/npm", cache=cache)

    def test_too_much_is_not_read_to_the_end(
        self, registry: str, release: Release, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(archives, "MAX_ARCHIVE_BYTES", 100)

        with pytest.raises(ViewerError, match="no viewer - more than"):
            install_viewer(registry=f"{registry}/npm", cache=cache, release=release)

    def test_a_registry_without_it_is_told(self, registry: str, cache: Path) -> None:
        with pytest.raises(
            ViewerError, match=r"no @ohif/app 3\.13\.2 at 127\.0\.0\.1 - it answers 404"
        ):
            install_viewer(registry=registry, cache=cache)

    @pytest.mark.parametrize("registry", ["http://user:secret@127.0.0.1:9", "nowhere", "http://[x"])
    def test_no_network_is_told_without_passwords(self, registry: str, cache: Path) -> None:
        with pytest.raises(ViewerError, match="--from FILE") as told:
            install_viewer(registry=registry, cache=cache)

        assert "secret" not in str(told.value)
