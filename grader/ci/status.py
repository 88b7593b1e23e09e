"""A mark at a commit: how many points it has.

The only place that is given a right to write: it runs nothing submitted, reads nothing but two words of the grading's, and needs
nothing but Python.
"""

import json
import sys
import urllib.error
import urllib.request
from http.client import HTTPException

from grader.ci.settings import COMMIT, REPOSITORY, Settings, Unusable

SECONDS = 30
"""How long GitHub may take to answer."""
CONTEXT = "unstatic/grade"
POINTS = r"[\d.]+ of [\d.]+ points(?:, [\d.]+ not graded)?"
"""What a badge says, and nothing else."""
NOT_GRADED = "it could not be graded"


class NotMarked(Exception):
    """GitHub did not take the mark."""


def mark(api: str, repository: str, commit: str, token: str, *, state: str, description: str, target: str) -> None:
    """Set the commit's status.

    Args:
        api: where GitHub's API is.
        repository: owner/name of the repository in which the commit is shown.
        commit: the commit in full.
        token: with the right `statuses: write`.
        state: success, failure or error.
        description: a line of ours.
        target: where it leads.

    Raises:
        NotMarked: GitHub refuses, or is out of reach.
    """
    told = {"state": state, "description": description[:140], "context": CONTEXT, "target_url": target}
    request = urllib.request.Request(
        f"{api}/repos/{repository}/statuses/{commit}",
        data=json.dumps(told).encode(),
        headers={
            "Authorization": f"Bearer {token}",
            "Accept": "application/vnd.github+json",
            "Content-Type": "application/json",
        },
        method="POST",
    )
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            answer.read(1 << 16)
    except urllib.error.HTTPError as error:
        raise NotMarked(f"GitHub answers {error.code} for the status of {commit}: {error.reason}") from error
    except (OSError, HTTPException, ValueError) as error:  # the last two: what answers or is asked is none
        raise NotMarked(f"GitHub's API is out of reach at {api}: {type(error).__name__}: {error}") from error


def main() -> int:
    """Mark the commit that the environment names."""
    settings = Settings()
    try:
        mark(
            settings.matching("API", r"https?://[\w.:/-]+", "an address", "https://api.github.com"),
            settings.matching("REPOSITORY", REPOSITORY, "owner/name"),
            settings.matching("COMMIT", COMMIT, "a commit in full"),
            settings.text("TOKEN"),
            state=settings.matching("STATE", "success|failure|error", "a state", "error"),
            description=settings.matching("SAID", f"{POINTS}|{NOT_GRADED}", "points", NOT_GRADED),
            target=settings.matching("TARGET", r"https?://[\w.:/?=&-]+", "an address"),
        )
    except (Unusable, NotMarked) as error:
        print(f"unstatic: {error}", file=sys.stderr)
        return 2 if isinstance(error, Unusable) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
