// Runs a WASI program as if it were one of this machine: same arguments, environment, files and exit status;
// but its working folder is /.
//
//   node run.mjs PROGRAM.wasm ARGUMENT...
import { readFile } from 'node:fs/promises';
import { setFlagsFromString } from 'node:v8';
import { WASI } from 'node:wasi';

// node's fast path into WASI crashes once the program's memory has grown (nodejs/node issues 46777 and 53087).
setFlagsFromString('--no-turbo-fast-api-calls');

const args = process.argv.slice(2);
const wasi = new WASI({ version: 'preview1', args, env: process.env, preopens: { '/': '/' }, returnOnExit: true });
const module = await WebAssembly.compile(await readFile(args[0]));
const instance = await WebAssembly.instantiate(module, wasi.getImportObject());
process.exitCode = wasi.start(instance);
