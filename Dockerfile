# The grader for instructors: torch for the CPU, bubblewrap, an ordinary user.
#   docker build -t unstatic .
#   docker run --rm -v "$PWD:/work" --security-opt seccomp=unconfined --security-opt apparmor=unconfined unstatic grade submissions/*
# Docker keeps user namespaces from what it runs, and bubblewrap needs them: that is what the two options give back. Without them the
# level is that of landlock and seccomp; `docker run unstatic doctor` says which. Never give it --privileged.
FROM python:3.11-slim-bookworm

RUN apt-get update -qq \
 && apt-get install -y -qq --no-install-recommends bubblewrap libseccomp2 git \
 && rm -rf /var/lib/apt/lists/*

WORKDIR /course
COPY pyproject.toml constraints.txt README.md LICENSE CHANGELOG.md AGENTS.md ./
COPY .github .github
COPY grader grader
COPY exercises exercises
COPY solutions solutions
COPY data data
RUN pip install --no-cache-dir --extra-index-url https://download.pytorch.org/whl/cpu -c constraints.txt -e '.[instructor]' \
 && python -m compileall -q grader exercises solutions \
 && useradd --create-home --uid 1000 grader \
 && mkdir /work && chown grader /work

USER grader
WORKDIR /work
ENTRYPOINT ["unstatic"]
CMD ["doctor"]
