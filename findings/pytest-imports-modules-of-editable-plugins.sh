#!/bin/sh
# Of an editable install that has a pytest plugin, pytest takes any other .py file that the install lists, such as a
# template, for a module of the plugin by its bare name, and imports the user's modules of that name by itself.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet pytest==9.2.0 hatchling==1.31.0 editables==0.6
mkdir -p "$folder/plugin/mine" "$folder/plugin/templates/one" "$folder/user/tests"
cd "$folder/plugin"
touch mine/__init__.py mine/plugin.py templates/one/transforms.py
cat > pyproject.toml <<'END'
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "mine"
version = "1"
[project.entry-points.pytest11]
mine = "mine.plugin"
[tool.hatch.build.targets.wheel]
packages = ["mine"]
[tool.hatch.build.targets.wheel.force-include]
"templates" = "mine/templates"
END
"$folder/env/bin/pip" install --quiet --no-build-isolation --editable .
cd "$folder/user"
touch transforms.py
cat > tests/test_it.py <<'END'
import transforms


def test_loader():
    print("loader", type(transforms.__loader__).__name__)
END
found=$("$folder/env/bin/python" -m pytest -q -s -p no:cacheprovider tests | grep '^loader')
echo "pytest 9.2.0: the user's transforms.py, which is no test and no plugin, has the $found"
echo "expected: loader SourceFileLoader, as the plugin's own module is mine.plugin"
[ "$found" = "loader AssertionRewritingHook" ]
