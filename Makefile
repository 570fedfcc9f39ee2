# The commands of the README. `make demo` and `make test` set up all that they need.
.DEFAULT_GOAL := build
.PHONY: build demo test test-runtime test-sanitize test-train test-arm test-riscv test-wasm test-portability check train \
        results results-runs setup setup-train setup-test setup-python clean

JOBS ?= $(shell nproc)
EXAMPLES := $(sort $(wildcard examples/*.jpg))

build: setup                     ## the tool, at build/bitmar
	cmake --preset release -DBITMAR_TESTS=OFF >/dev/null
	cmake --build --preset release -j $(JOBS)

demo: build                      ## captions the example photos with the shipped model
	build/bitmar caption -m models/bitmar-14m.gguf $(EXAMPLES)

train: setup-train setup-python        ## the trainer, at build-train/bitmar-train
	cmake --preset trainer >/dev/null
	cmake --build --preset trainer -j $(JOBS)

# Of a model with memory and vision tower; MODEL is what the last of RUNS, its training's stages in order, was exported to.
DATA ?= data
MODEL ?= models/bitmar-14m.gguf
RESULTS ?= results
results: results-runs build train ## every table and figure of a trained model (docs/evaluation.md): make results RUNS="runs/a runs/b"
	build-train/bitmar-train finetune --checkpoint $(lastword $(RUNS)) --data $(DATA) -o $(RESULTS)/finetune-memory-off --no-memory
	build-train/bitmar-train finetune --checkpoint $(lastword $(RUNS)) --data $(DATA) -o $(RESULTS)/finetune
	build/bitmar reproduce -m $(MODEL) --data $(DATA) -t $(JOBS) --commit "$(shell git rev-parse --short HEAD)" -o $(RESULTS) \
	  --fine-tuned $(RESULTS)/finetune $(RESULTS)/finetune-memory-off --runs $(RUNS) --image $(firstword $(EXAMPLES))

results-runs:
	@test -n "$(RUNS)" || { echo 'make results: expected RUNS="runs/FIRST … runs/LAST", the stages of the training' >&2; exit 1; }

check:                           ## layers, file lengths
	python3 scripts/check_layers.py

test: check test-sanitize test-train   ## everything under ASan and UBSan, and the tests of the hot layers optimised

test-runtime: setup-test         ## library and tool in a release build; needs no torch
	cmake --preset release -DBITMAR_TESTS=ON >/dev/null
	cmake --build --preset release -j $(JOBS)
	ctest --test-dir build --output-on-failure -j $(JOBS)

test-sanitize: setup-test        ## the same under ASan and UBSan, warnings as errors
	cmake --preset debug >/dev/null
	cmake --build --preset debug -j $(JOBS)
	ctest --test-dir build-debug --output-on-failure -j $(JOBS)

test-train: setup-test train     ## the trainer's tests, those of the hot layers optimised, and the Python oracles
	ctest --test-dir build-train --output-on-failure -j $(JOBS)
	BITMAR_BUILD=build-train .venv/bin/python -m pytest -q -n $(JOBS) --dist loadfile tests

# Cross builds (docs/portability.md). Their tests run under qemu's user-mode emulation, those of WebAssembly under node.
test-arm test-riscv test-wasm: test-%:
	@scripts/setup-cross.sh $*
	cmake --preset $* >/dev/null
	cmake --build --preset $* -j $(JOBS)
	ctest --test-dir build-$* --output-on-failure -j $(JOBS)

test-portability: setup-test     ## the shipped model's greedy text on every target and instruction set
	cmake --preset release -DBITMAR_TESTS=ON >/dev/null
	cmake --build --preset release -j $(JOBS) --target greedy
	for target in arm riscv wasm; do \
	  scripts/setup-cross.sh $$target && cmake --preset $$target >/dev/null && \
	  cmake --build --preset $$target -j $(JOBS) --target greedy || exit 1; \
	done
	tests/portability/compare_greedy.py models/bitmar-14m.gguf build build-arm build-riscv build-wasm

setup:
	@scripts/setup-system.sh build

setup-train:
	@scripts/setup-system.sh train

setup-test:
	@scripts/setup-system.sh test

setup-python:
	@scripts/setup-python.sh

clean:
	rm -rf build build-debug build-train build-arm build-riscv build-wasm
