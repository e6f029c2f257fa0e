"""A server that answers each request with the next of the given replies, and counts them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CALLER = (
    200,
    "<GetCallerIdentityResponse xmlns='https://sts.amazonaws.com/doc/2011-06-15/'><GetCallerIdentityResult>"
    "<Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>",
)
NO_VPCS = (
    200,
    "<DescribeVpcsResponse xmlns='http://ec2.amazonaws.com/doc/2016-11-15/'><vpcSet/></DescribeVpcsResponse>",
)


def refusal(status: int, code: str, message: str = "") -> tuple[int, str]:
    """An error as EC2 writes it."""
    error = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return status, f"<Response><Errors>{error}</Errors><RequestID>r</RequestID></Response>"


class Script:
    def __init__(self, replies: list[tuple[int, str]]) -> None:
        self.left = list(replies)
        self.asked = 0
        self.url = ""

    def next(self) -> tuple[int, str]:
        self.asked += 1
        return self.left.pop(0) if len(self.left) > 1 else self.left[0]


@contextmanager
def serving(*replies: tuple[int, str]) -> Iterator[Script]:
    """The last reply is given for ever."""
    script = Script(list(replies))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, text = script.next()
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST

        def log_message(self, format: str, *args: object) -> None:
            return None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    script.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield script
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
