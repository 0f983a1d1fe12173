"""The comment on a pull request that the action keeps up to date.

``python -m lakehouse_cli.integrations.github_comment FILE NAME`` is a step of it, with the variables of the workflow.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

_PAGE = 100


def main(document: str, name: str, environ: Mapping[str, str]) -> None:
    """Write a document as a comment of the pull request, in the place of the one before.

    Without the right to comment, as workflows of forks are, that is a warning.

    Args:
        document: The file of the document.
        name: By which the next run finds the comment.
        environ: The variables of the workflow.

    Raises:
        HTTPError: GitHub refuses it for another reason.
    """
    marker = f"<!-- lakehouse: {name.replace('-->', '')} -->"
    number = json.loads(Path(environ["GITHUB_EVENT_PATH"]).read_text("utf-8"))["pull_request"]["number"]
    comments = f"{environ['GITHUB_API_URL']}/repos/{environ['GITHUB_REPOSITORY']}/issues"
    body = {"body": f"{marker}\n{Path(document).read_text('utf-8')}"}
    token = environ["GITHUB_TOKEN"]
    try:
        for each in _comments(f"{comments}/{number}/comments", token):
            if each["body"].startswith(marker):
                _call(f"{comments}/comments/{each['id']}", token, "PATCH", body)
                return
        _call(f"{comments}/{number}/comments", token, "POST", body)
    except HTTPError as error:
        if error.code != 403:
            raise
        sys.stdout.write("::warning::this workflow may not comment; it needs `permissions: {pull-requests: write}`\n")


def _comments(url: str, token: str) -> Iterator[Any]:
    page = 1
    while found := _call(f"{url}?per_page={_PAGE}&page={page}", token):
        yield from found
        page += 1


def _call(url: str, token: str, method: str = "GET", body: Any = None) -> Any:
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/vnd.github+json"}
    data = None if body is None else json.dumps(body).encode()
    request = Request(url, data, headers, method=method)  # noqa: S310  # the address is GitHub's own
    with urlopen(request, timeout=60) as answer:  # noqa: S310
        return json.load(answer)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], os.environ)
