"""The transfer behind wget: connect, ask, follow redirects, save the body, try again (RFC 9110, RFC 9112).

Over the standard library's http.client, on a socket of the node and in the node's time, so that it runs in virtual
time too. When it tries again, how long it waits before, and what a part that is there already means is GNU wget's way;
but a chunked body without its last chunk has ended early, and what is not HTTP/1 at all is an error (7) and is not
asked for again. What is printed about it is in `apps.wget.report`. It refuses IPv6 and https.
"""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

from apps.host import Host
from apps.usage import in_words
from apps.wget.body import EndedEarly, Framing, ProtocolError, framing, read_body
from apps.wget.connection import Connection
from apps.wget.file import Destination
from apps.wget.report import Failure, Form, Report, Transfer
from apps.wget.result import Options, WgetResult
from apps.wget.url import Url, bracketed
from stack.wire.address import parse_ip

SHORT = 4096  # bytes of a body nobody wants that are read, so that the connection can be used again
MAX_WAIT = 10  # seconds before another try
REDIRECTS = (300, 301, 302, 303, 307, 308)
OK, PARTIAL, UNAUTHORIZED, RANGE_NOT_SATISFIABLE = 200, 206, 401, 416
# Exit codes, as wget(1) has them.
GENERIC, FILE, NETWORK, AUTHENTICATION, PROTOCOL, SERVER = 1, 3, 4, 6, 7, 8


class Session:
    """Fetches one URL after another, and keeps a connection for the next if the server does."""

    def __init__(self, options: Options, node: Host, report: Report) -> None:
        """Raises ValueError for the options."""
        options.check()
        self.options = options
        self.node = node
        self.report = report
        self._timeout = options.timeout or None
        self._connection: Connection | None = None
        self._addresses: dict[str, list[str]] = {}

    def close(self) -> None:
        if self._connection is not None:
            self._connection.hang_up()
        self._connection = None

    def fetch(self, url: Url, destination: Destination) -> WgetResult:
        """One URL to its end, whatever that is: the result says it. Raises BrokenPipeError for standard output."""
        began_at = self.node.engine.now()
        attempt = Attempt(WgetResult(str(url)), destination)
        result = attempt.result
        destination.begin(url.name)
        try:
            self._follow(url, attempt)
        except Failure as failure:
            result.error, result.exit_code = str(failure), failure.code
            tells_next = "Giving up." if failure.is_passing else ""
            self.report.on_failure(failure, attempt.url, attempt.transfer, tells_next)
        except BaseException:
            self.report.on_interrupt()
            self.close()
            raise
        finally:
            destination.end()
            result.duration = self.node.engine.now() - began_at
        result.body = destination.body
        return result

    # --- redirects and tries

    def _follow(self, url: Url, attempt: Attempt) -> None:
        while True:
            location = self._insist(url, attempt)
            if location is None:
                return
            redirects = attempt.result.redirects
            if len(redirects) >= self.options.max_redirect:
                raise Failure(f"{self.options.max_redirect} redirections exceeded.", SERVER)
            try:
                url = url.join(location)
            except ValueError as e:
                raise Failure(str(e), GENERIC) from None
            redirects.append(str(url))

    def _insist(self, url: Url, attempt: Attempt) -> str | None:
        """Try as often as it takes or the options allow: where the answer leads, None if it is the one wanted."""
        count = 0
        while True:
            count += 1
            attempt.begin(url, count)
            self.report.on_start(url, count)
            try:
                return self._try(url, attempt)
            except Failure as failure:
                if failure.code not in (SERVER, AUTHENTICATION):
                    self.close()  # after those the connection is as good as ever
                if not failure.is_passing or count == self.options.tries:
                    raise
                self.report.on_failure(failure, str(url), attempt.transfer, "Retrying.")
            self.node.engine.sleep(min(count, MAX_WAIT))

    def _try(self, url: Url, attempt: Attempt) -> str | None:
        connection = self._connect(url)
        start = attempt.destination.have
        answer = self._ask(connection, url, start)
        result = attempt.result
        result.status, result.reason, result.headers = answer.status, answer.reason, answer.headers
        self.report.on_answer(answer.version, answer.status, answer.reason, answer.headers)
        try:
            how = framing(answer.status, answer.headers)
        except ProtocolError as e:
            raise Failure(f"ERROR -1: {e}.", PROTOCOL, Form.STATUS) from None
        location = self._location(answer)
        if location is not None or not 200 <= answer.status < 300:
            self._skip(answer, how)
            if answer.will_close:
                self.close()
            if location is None and not (answer.status == RANGE_NOT_SATISFIABLE and start):
                self._reject(answer)
        if location is None:
            self._save(answer, how, attempt, start)
        if answer.will_close:
            self.close()
        return location

    # --- one request

    def _connect(self, url: Url) -> Connection:
        kept = self._connection
        if kept is not None:
            if kept.key == (url.scheme, url.host, url.port) and kept.is_idle():
                self.report.on_reuse(url)
                return kept
            self.close()
        if url.scheme != "http":
            raise Failure(f"{url}: https is not built yet; http is.", GENERIC)
        passing = False
        for address in self._resolve(url):
            self.report.on_connecting(url, address)
            sock = self.node.socket.socket(self.node.socket.AF_INET, self.node.socket.SOCK_STREAM)
            try:
                sock.settimeout(self._timeout)
                sock.connect((address, url.port))
            except OSError as e:
                sock.close()
                text = words(e)
                self.report.on_connect_failed(text)
                passing = isinstance(e, TimeoutError)
                continue
            except BaseException:
                sock.close()
                raise
            self.report.on_connected(url, address)
            self._connection = Connection(url, address, sock, self._timeout)
            return self._connection
        raise Failure(f"{bracketed(url.host)}:{url.port}: {text}", NETWORK, Form.SAID, passing)

    def _resolve(self, url: Url) -> list[str]:
        """The host's addresses: at least one."""
        try:
            parse_ip(url.host)
            return [url.host]
        except ValueError:
            pass
        if url.host not in self._addresses:
            self.report.on_resolving(url.host)
            socket = self.node.socket
            try:
                found = socket.getaddrinfo(url.host, url.port, socket.AF_INET, socket.SOCK_STREAM)
            except (OSError, UnicodeError) as e:
                self.report.on_connect_failed(words(e))
                raise Failure(f"wget: unable to resolve host address ‘{url.host}’", NETWORK) from None
            self._addresses[url.host] = list(dict.fromkeys(entry[4][0] for entry in found))
            self.report.on_resolved(self._addresses[url.host])
        return self._addresses[url.host]

    def _ask(self, connection: Connection, url: Url, start: int) -> http.client.HTTPResponse:
        """The answer's head."""
        headers = self._headers(url, start)
        try:
            connection.ask(url.target, headers)
        except OSError as e:
            raise Failure(f"Failed writing HTTP request: {words(e)}.", NETWORK, is_passing=True) from None
        self.report.on_sent(url.target, headers)
        try:
            return connection.answer()
        except (http.client.BadStatusLine, http.client.UnknownProtocol) as e:
            if isinstance(e, http.client.RemoteDisconnected):
                raise Failure("No data received.", NETWORK, is_passing=True) from None
            raise Failure("ERROR -1: Malformed status line.", PROTOCOL, Form.STATUS) from None
        except (OSError, EOFError) as e:
            raise Failure(f"Read error ({words(e)}) in headers.", NETWORK, is_passing=True) from None
        except (http.client.HTTPException, ProtocolError) as e:
            raise Failure(f"Read error ({e}) in headers.", PROTOCOL) from None

    def _headers(self, url: Url, start: int) -> list[tuple[str, str]]:
        """What the request says, in wget's order; what the user says takes the place of ours."""
        found = {
            "Host": url.authority,
            "User-Agent": "glasstack",
            "Accept": "*/*",
            "Accept-Encoding": "identity",
            "Connection": "Keep-Alive",
        }
        if start:
            found["Range"] = f"bytes={start}-"
        extra = []
        for name, text in self.options.headers:
            ours = next((known for known in found if known.lower() == name.lower()), None)
            if ours is None:
                extra.append((name, text))
            else:
                found[ours] = text
        return [*found.items(), *extra]

    # --- what the answer says

    def _location(self, answer: http.client.HTTPResponse) -> str | None:
        """Where it sends us."""
        if answer.status not in REDIRECTS:
            return None
        location: str | None = answer.headers["Location"]
        if location is None and answer.status == 300:
            return None
        if location is not None:
            # RFC 9110 10.2.2 has it in ASCII; what is not is taken for UTF-8, as browsers do.
            location = str(location).strip().encode("latin-1", "replace").decode("utf-8", "replace")
        self.report.on_redirect(location)
        if location is None:
            raise Failure(f"ERROR: Redirection ({answer.status}) without location.", SERVER)
        return location

    def _reject(self, answer: http.client.HTTPResponse) -> NoReturn:
        if answer.status == UNAUTHORIZED:
            raise Failure("Username/Password Authentication Failed.", AUTHENTICATION, Form.APART)
        reason = answer.reason or "(no description)"
        raise Failure(f"ERROR {answer.status}: {reason}.", SERVER, Form.STATUS)

    def _skip(self, answer: http.client.HTTPResponse, how: Framing) -> None:
        """Read a body that nobody wants if it is short, so that the connection may be used again."""
        left = SHORT
        try:
            if (how.length is None and not how.is_chunked) or (how.length or 0) > SHORT:
                raise EndedEarly
            for piece in read_body(answer.fp, how):
                left -= len(piece)
                if left < 0:
                    raise EndedEarly
            answer.close()
        except (OSError, EndedEarly, ProtocolError):
            answer.will_close = True

    def _save(self, answer: http.client.HTTPResponse, how: Framing, attempt: Attempt, start: int) -> None:
        destination, result, now = attempt.destination, attempt.result, self.node.engine.now
        first = self._first_byte(answer, start)
        total = None if how.length is None or answer.status == 204 else how.length + first
        if answer.status == RANGE_NOT_SATISFIABLE or (
            self.options.resume and first == 0 < start and total is not None and start >= total
        ):
            result.received, result.path = start, destination.path
            answer.will_close = True
            self.report.on_complete()
            return
        if answer.status != 204:
            attempt.open()
        content_type = str(answer.headers["Content-Type"] or "").partition(";")[0].strip()
        transfer = Transfer(destination.shown, total, first, first, content_type, now(), now())
        result.length, result.path = total, destination.path
        if answer.status != 204:
            attempt.transfer = transfer
            self.report.on_saving(transfer)
        known = start - first  # bytes that come although they are there
        for piece in self._pieces(answer, how, transfer):
            transfer.received += len(piece)
            transfer.now = now()
            if known < len(piece):
                attempt.write(piece[known:])
            known = max(0, known - len(piece))
            self.report.on_bytes(transfer)
        answer.close()
        transfer.now = now()
        self.report.on_saved(result, transfer)

    def _first_byte(self, answer: http.client.HTTPResponse, start: int) -> int:
        """Where in the whole the body begins: 0, or `start` if a part was asked for and is coming."""
        if answer.status != PARTIAL:
            return 0
        # RFC 9110 14.4: 'bytes 100-999/1000'
        said = re.match(r"\s*bytes\s+(\d{1,18})-", str(answer.headers["Content-Range"] or ""), re.ASCII | re.IGNORECASE)
        first = int(said[1]) if said is not None else 0
        if first != start:
            raise Failure("The server sends another part than it was asked for.", NETWORK, is_passing=True)
        return start

    def _pieces(self, answer: http.client.HTTPResponse, how: Framing, transfer: Transfer) -> Iterator[bytes]:
        """The body, with what may go wrong in wget's words."""
        of = "" if transfer.total is None else f"/{transfer.total}"
        code, is_passing = NETWORK, True
        try:
            yield from read_body(answer.fp, how)
            return
        except EndedEarly:
            text = f"Connection closed at byte {transfer.received}."
        except OSError as e:
            text = f"Read error at byte {transfer.received}{of} ({words(e)})."
        except ProtocolError as e:
            text = f"Read error at byte {transfer.received}{of} ({e})."
            code, is_passing = PROTOCOL, False
        transfer.now = self.node.engine.now()
        raise Failure(text, code, Form.BODY, is_passing)


@dataclass
class Attempt:
    """What the tries of one URL have in common."""

    result: WgetResult
    destination: Destination
    url: str = ""
    transfer: Transfer | None = None  # of this try, once its body is coming

    def begin(self, url: Url, count: int) -> None:
        self.url, self.transfer, self.result.tries = str(url), None, count

    def open(self) -> None:
        try:
            self.destination.open()
        except OSError as e:
            raise self._unwritable(e) from None

    def write(self, data: bytes) -> None:
        try:
            self.destination.write(data)
        except BrokenPipeError:
            raise
        except OSError as e:
            raise self._unwritable(e) from None
        self.result.received = self.destination.have

    def _unwritable(self, error: OSError) -> Failure:
        return Failure(f"Cannot write to ‘{self.destination.shown}’ ({error.strerror}).", FILE)


def words(error: Exception) -> str:
    """An error in the words of the C library, which Python's timeouts have not."""
    if isinstance(error, TimeoutError):
        return "Connection timed out"
    return in_words(error)
