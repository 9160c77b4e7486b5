"""A WSGI layer in front of moto: what the web framework under it would lose of a body."""

import hashlib
from io import BytesIO

FORM = "application/x-www-form-urlencoded"
# SHA-256 of a form's body as it came, hexadecimal: parsing the form leaves nothing to compare a signature with.
FORM_SHA256 = "lab.form_sha256"


class FormBodies:
    """Tells forms from uploads.

    Python's urllib labels every body `application/x-www-form-urlencoded`; S3 ignores that on a PUT, while the web
    framework under moto would parse the bytes as form fields and lose them.
    """

    def __init__(self, application):
        self.application = application

    def __call__(self, environ, start_response):
        if environ.get("CONTENT_TYPE", "").startswith(FORM):
            if environ["REQUEST_METHOD"] == "PUT":
                environ["CONTENT_TYPE"] = "application/octet-stream"
            elif length := int(environ.get("CONTENT_LENGTH") or 0):
                body = environ["wsgi.input"].read(length)
                environ[FORM_SHA256] = hashlib.sha256(body).hexdigest()
                environ["wsgi.input"] = BytesIO(body)
        return self.application(environ, start_response)
