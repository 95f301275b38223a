# `just check` is what the hook and CI run.

# style, types, layers, dependencies, tests
check: lint audit test

# style, types and the import law
lint:
    uv run ruff format --check .
    uv run ruff check .
    uv run mypy
    uv run lint-imports

# known vulnerabilities of what uv.lock pins; exceptions are in .ci/audit.toml
audit:
    uv run python .ci/audit.py

# the tests, on two cores; a file stays together so that its servers are started once
test:
    uv run pytest -n 2 --dist loadfile -m "not slow and not thorough"

# the tests that wait: whole processes killed and a schedule that fires; CI runs them after the check
slow:
    uv run pytest -n 2 --dist loadgroup -m slow

# more seeds and other ways through what CI has tested once; before a release
thorough:
    uv run pytest -n 2 --dist loadgroup -m thorough

# set formatting and what can be mended by machine
fix:
    uv run ruff format .
    uv run ruff check --fix .

# speed and quality, each against a peer in the same run
bench:
    uv run python -m benchmarks

# have git run `just check` before every commit
hook:
    printf '#!/bin/sh\nexec uv run just check\n' > .git/hooks/pre-commit && chmod +x .git/hooks/pre-commit
