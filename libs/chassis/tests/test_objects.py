"""Files are kept in a folder, or in a bucket that speaks S3."""

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from chassis.errors import Invalid, NotFound, Unavailable
from chassis.objects import open_objects

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


class Bucket(BaseHTTPRequestHandler):
    """As much of S3 as a file takes: PUT, GET and the deletion of several."""

    def do_PUT(self):
        self.server.signed.append(self.headers["authorization"])
        self.server.files[self.path] = self.rfile.read(int(self.headers["content-length"]))
        self._answer(200)

    def do_GET(self):
        found = self.server.files.get(self.path)
        self._answer(200 if found is not None else 404, found or b"")

    def do_POST(self):
        asked = self.rfile.read(int(self.headers["content-length"])).decode()
        keys = re.findall(r"<Key>(.*?)</Key>", asked)
        for key in keys:
            self.server.files.pop(f"/bucket/{key}", None)
        deleted = "".join(f"<Deleted><Key>{key}</Key></Deleted>" for key in keys)
        self._answer(200, f'<DeleteResult xmlns="{NAMESPACE}">{deleted}</DeleteResult>'.encode())

    def _answer(self, status, body=b""):
        self.send_response(status)
        self.send_header("etag", '"1"')
        self.send_header("last-modified", "Mon, 02 Mar 2026 04:00:00 GMT")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def bucket():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Bucket)
    server.files, server.signed = {}, []
    threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(params=["folder", "bucket"])
def environment(request, tmp_path, bucket):
    if request.param == "folder":
        return {"OBJECT_STORE": (tmp_path / "a b").as_uri()}
    return {
        "OBJECT_STORE": "s3://bucket/prefix",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{bucket.server_port}",
    }


def test_a_file_is_kept_read_replaced_and_removed(environment):
    objects = open_objects(environment)
    objects.put("photos/ab/abc", b"one" * 500_000)
    assert b"".join(objects.read("photos/ab/abc")) == b"one" * 500_000
    objects.put("photos/ab/abc", b"two")
    assert b"".join(open_objects(environment).read("photos/ab/abc")) == b"two"
    for _ in range(2):
        objects.remove("photos/ab/abc")
    with pytest.raises(NotFound) as caught:
        list(objects.read("photos/ab/abc"))
    assert caught.value.reason == "FILE_EXPIRED"


def test_a_bucket_is_spoken_to_with_a_signature(bucket):
    endpoint = f"http://127.0.0.1:{bucket.server_port}"
    keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_ENDPOINT_URL": endpoint}
    open_objects({"OBJECT_STORE": "s3://bucket/prefix", **keys}).put("a", b"1")
    assert bucket.files == {"/bucket/prefix/a": b"1"}
    assert bucket.signed[0].startswith("AWS4-HMAC-SHA256 Credential=key/")


def test_a_store_that_is_away_is_told_as_away():
    away = {"OBJECT_STORE": "s3://bucket", "AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_ACCESS_KEY_ID": "key"}
    with pytest.raises(Unavailable) as caught:
        open_objects(away).put("a", b"1")
    assert caught.value.reason == "OBJECT_STORE_UNAVAILABLE"


@pytest.mark.parametrize("url", ["ftp://x/y", "s3://", "nonsense", "file:"])
def test_what_names_no_store_is_refused(url):
    with pytest.raises(Invalid) as caught:
        open_objects({"OBJECT_STORE": url})
    assert (caught.value.reason, caught.value.field) == ("INVALID_SETTING", "OBJECT_STORE")
