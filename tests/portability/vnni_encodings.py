#!/usr/bin/env python3
"""Compares the machine code of avxvnni.cpp and avx512vnni_256.cpp, so that a processor with either tests both.

    vnni_encodings.py OBJDUMP OBJECT...

They must be the same instructions in the same order, `vpdpbusd` in VEX in the one and in EVEX in the other, and no other
instruction in EVEX (which alone names registers beyond 15 or of 512 bits). Exits 1 where they are not.
"""

import re
import subprocess
import sys

EVEX = "62"
VEX = "c4"
LABEL = re.compile(r"^[0-9a-f]+ <(.*)>:$")
INSTRUCTION = re.compile(r"^\s+[0-9a-f]+:\t([0-9a-f ]+)\t(.*)$")


def instructions(objdump: str, path: str, namespace: str):
    """Yields (first byte, text) of the functions of a namespace, without addresses and padding."""
    printed = subprocess.run([objdump, "-dw", path], capture_output=True, text=True, check=True).stdout
    inside = False
    for line in printed.splitlines():
        if label := LABEL.match(line):
            inside = f"6bitmar{len(namespace)}{namespace}" in label[1]
        elif inside and (found := INSTRUCTION.match(line)):
            text = re.sub(r"^\{e?vex\}\s+", "", found[2].strip())
            if re.search(r"\bnop|^xchg\s+%ax,%ax", text):
                continue
            if "<" in text or "(%rip)" in text:
                text = text.split()[0]
            yield found[1].split()[0], text


def main() -> int:
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    paths = {path.rsplit("/", 1)[-1].split(".")[0]: path for path in sys.argv[2:]}
    codes = {}
    for name, encoding in (("avxvnni", VEX), ("avx512vnni_256", EVEX)):
        codes[name] = list(instructions(sys.argv[1], paths[name], name))
        for byte, text in codes[name]:
            product = text.startswith("vpdpbusd")
            if byte != encoding if product else byte == EVEX:
                sys.exit(f"{name}: {text} begins with the byte {byte}")
        products = sum(text.startswith("vpdpbusd") for _, text in codes[name])
        print(f"{name}: {len(codes[name])} instructions, {products} of them vpdpbusd")
        if products == 0:
            return 1
    first, second = ([text for _, text in code] for code in codes.values())
    for ours, theirs in zip(first, second):
        if ours != theirs:
            sys.exit(f"different instructions: {ours} and {theirs}")
    return 0 if len(first) == len(second) else 1


if __name__ == "__main__":
    sys.exit(main())
