# make demo   see it work: simulated lines, real protocols
# make test   the whole suite: core without TensorFlow, learning in its own environment, the demo from the wheel
# make check  ruff, mypy strict, the import rule, known vulnerabilities
# Each sets up what it needs in .venv* beside this file and takes nothing for granted but python3 and make.

PYTHON ?= python3
PARTS ?= 400
UV = .venv/bin/uv
INSTALL = $(UV) pip install --quiet
RM_ENVS = .venv .venv-dev .venv-train .venv-wheel

.DEFAULT_GOAL := help
.PHONY: help demo demo-bundle test check protos generate format clean test-core test-learning test-wheel

help:
	@sed -n '1,4s/^# //p' Makefile

demo: .venv/stamp
	.venv/bin/aoi-bridge demo --parts $(PARTS)

test: test-core test-learning test-wheel

check: .venv-dev/stamp
	.venv-dev/bin/ruff format --check .
	.venv-dev/bin/ruff check .
	.venv-dev/bin/mypy
	.venv-dev/bin/lint-imports
	.venv-dev/bin/python .ci/protos.py --check
	.venv-dev/bin/python .ci/audit.py .venv/bin/python

# The demo's own model, from synthetic bolts that the demo never plays; about ten minutes on two cores.
demo-bundle: .venv-train/stamp
	.venv-train/bin/python -m bridge.simulate.bolt_set build/bolts --parts 2400
	.venv-train/bin/aoi-bridge train build/bolts --ok ok --parts manifest.csv:part --size 106x210 \
		--escapes 0.01 --epochs 10 --out build/models/bolts
	cp build/models/bolts/live/* bridge/simulate/demo_bundle/

# The code that protoc writes from protos/*.proto stands beside them and is committed; check holds it fresh.
protos: .venv-dev/stamp
	.venv-dev/bin/python .ci/protos.py

# Samples and READMEs of the plugins, and the JSON Schemas, are written from the options; the tests hold them fresh.
generate: .venv-dev/stamp
	.venv-dev/bin/python .ci/generate.py

format: .venv-dev/stamp
	.venv-dev/bin/ruff format .
	.venv-dev/bin/ruff check --fix .

# Most tests talk to real processes over real sockets and mostly wait, so two files run at a time. On a machine that
# others load too, one that fails is tried once more and listed as such: a failure that comes twice is ours.
test-core: .venv-dev/stamp
	@sh .ci/need --better mbpoll fuse3:fusermount3 nodejs:node npm postgresql:pg_ctlcluster mosquitto:/usr/sbin/mosquitto
	.venv-dev/bin/python -m pytest -m "not learning" -n 2 --dist loadfile --reruns 1 -rR

test-learning: .venv-train/stamp
	TF_CPP_MIN_LOG_LEVEL=3 .venv-train/bin/python -m pytest -m learning tests/unit/learning

# An editable install sees folders that a wheel lacks, so the demo also runs from the wheel alone.
test-wheel: .venv-dev/stamp
	rm -rf dist .venv-wheel
	$(UV) build --quiet --wheel --python .venv/bin/python
	$(UV) venv --quiet --python .venv/bin/python .venv-wheel
	$(INSTALL) --python .venv-wheel/bin/python dist/*.whl
	cd .venv-wheel && bin/aoi-bridge demo --parts 60 --json | tail -n 1 | bin/python -m json.tool > /dev/null

# The stamps are written last: a venv whose making failed half-way is made again.
.venv/stamp: pyproject.toml
	@sh .ci/need --venv $(PYTHON)
	$(PYTHON) -m venv --clear .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check uv
	$(INSTALL) --python .venv/bin/python --editable .
	@touch $@

.venv-dev/stamp: .venv/stamp
	$(UV) venv --quiet --clear --python .venv/bin/python .venv-dev
	$(INSTALL) --python .venv-dev/bin/python --group test --group check --group bench --editable '.[genicam,grpc,mqtt,report,sql]'
	@touch $@

.venv-train/stamp: .venv/stamp
	$(UV) venv --quiet --clear --python .venv/bin/python .venv-train
	$(INSTALL) --python .venv-train/bin/python --group test --group learning --editable '.[train]'
	@touch $@

clean:
	rm -rf $(RM_ENVS) dist build
