"""A WSGI layer in front of moto."""


class BinaryUploads:
    """Keeps moto from reading an upload as an HTML form.

    Python's urllib labels every body `application/x-www-form-urlencoded`; S3 ignores that on a PUT, while the web
    framework under moto would parse the bytes as form fields and lose them.
    """

    def __init__(self, application):
        self.application = application

    def __call__(self, environ, start_response):
        if environ["REQUEST_METHOD"] == "PUT" and environ.get("CONTENT_TYPE", "").startswith("application/x-www-form"):
            environ["CONTENT_TYPE"] = "application/octet-stream"
        return self.application(environ, start_response)
